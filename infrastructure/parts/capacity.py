"""Two functions that look after a fleet's capacity: back to zero, and on-demand machines while spot ones lack.

An Auto Scaling group with spot machines alone does not turn to on-demand ones when no spot machine can be had: it
tries the same again. See https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-mixed-instances-groups.html.
The event "EC2 Instance Launch Unsuccessful" tells of it.
"""

from pathlib import Path
from typing import Final

from aws_cdk import Duration, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as functions
from aws_cdk import aws_logs as logs
from constructs import Construct

from comfyfleet import names
from infrastructure.parts.arns import group_arn, parameter_arn
from infrastructure.parts.exceptions import accept_wildcards
from infrastructure.stages import FleetSettings, Stage

_CODE: Final = Path(__file__).parents[1] / "functions"


class CapacityFunctions(Construct):
    """`to_zero`, which the empty queue's alarm calls, and `to_on_demand`, which a launch that failed calls."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        stage: Stage,
        fleet: FleetSettings,
        template: ec2.CfnLaunchTemplate,
        machines: iam.IRole,
    ) -> None:
        super().__init__(scope, construct_id)
        self._stage, self._fleet = stage, fleet
        self._role = self._make_role(template, machines)
        alarm = names.queue_empty_alarm(stage.name, fleet.slug)
        self.to_zero = self._function("ToZero", "to_zero", {"QUEUE_EMPTY_ALARM": alarm})
        self.to_on_demand = self._function("ToOnDemand", "to_on_demand", {})
        self._events()

    def _make_role(self, template: ec2.CfnLaunchTemplate, machines: iam.IRole) -> iam.Role:
        """Make the role of both. Whoever changes a group has to be allowed to launch what it launches.

        See https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-launch-template-permissions.html.
        """
        own_group = group_arn(self, self._stage, self._fleet)
        image = names.image_parameter(self._stage.name, self._fleet.slug, prefix=self._stage.prefix)
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        template_arn = f"arn:aws:ec2:{self._stage.region}:{Stack.of(self).account}:launch-template/{template.ref}"
        for statement in (
            iam.PolicyStatement(
                actions=["cloudwatch:DescribeAlarms", "autoscaling:DescribeAutoScalingGroups"], resources=["*"]
            ),
            iam.PolicyStatement(
                actions=["autoscaling:UpdateAutoScalingGroup", "autoscaling:SetDesiredCapacity"], resources=[own_group]
            ),
            iam.PolicyStatement(
                actions=["ec2:RunInstances", "ec2:CreateTags"],
                resources=["*"],
                conditions={"ArnEquals": {"ec2:LaunchTemplate": template_arn}},
            ),
            iam.PolicyStatement(actions=["iam:PassRole"], resources=[machines.role_arn]),
            # The template names its image by a parameter, which is looked up with the rights of who changes the group:
            # https://docs.aws.amazon.com/autoscaling/ec2/userguide/using-systems-manager-parameters.html
            iam.PolicyStatement(actions=["ssm:GetParameters"], resources=[parameter_arn(self, image)]),
        ):
            role.add_to_policy(statement)
        accept_wildcards(
            role,
            "AWS grants looking for everything or nothing; what is launched is bound to the template; a group's ARN "
            "holds an id that is made with it.",
            "*",
            own_group,
        )
        return role

    def _function(self, construct_id: str, module: str, more: dict[str, str]) -> functions.Function:
        log = logs.LogGroup(self, f"{construct_id}Log", retention=logs.RetentionDays.THREE_MONTHS)
        log.grant_write(self._role)
        return functions.Function(
            self,
            construct_id,
            function_name=f"{self._stage.name}-{self._fleet.slug}-{module.replace('_', '-')}",
            runtime=functions.Runtime.PYTHON_3_14,
            handler=f"{module}.handle",
            code=functions.Code.from_asset(str(_CODE), exclude=["__pycache__", "*.pyc"]),
            environment={"GROUP": names.group_name(self._stage.name, self._fleet.slug), **more},
            timeout=Duration.seconds(30),
            log_group=log,
            role=self._role,
        )

    def _events(self) -> None:
        group = names.group_name(self._stage.name, self._fleet.slug)
        events.Rule(
            self,
            "LaunchFailed",
            event_pattern=events.EventPattern(
                source=["aws.autoscaling"],
                detail_type=["EC2 Instance Launch Unsuccessful"],
                detail={"AutoScalingGroupName": [group]},
            ),
            targets=[targets.LambdaFunction(self.to_on_demand)],
        )
        events.Rule(  # an alarm calls once; what was started by hand since then is found by this
            self,
            "LookAgain",
            schedule=events.Schedule.rate(Duration.minutes(15)),
            targets=[targets.LambdaFunction(self.to_zero)],
        )
