"""What a machine of a fleet may do on AWS: its own fleet's things, and nothing else."""

from aws_cdk import aws_iam as iam
from constructs import Construct

from comfyfleet import names
from infrastructure.parts.arns import fleet_log_arn, group_arn, objects_arn, parameter_arn
from infrastructure.parts.exceptions import accept_wildcards
from infrastructure.stacks.data import DataStack
from infrastructure.stages import FleetSettings, Stage

_AGENT = [
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
    "ec2messages:AcknowledgeMessage",
    "ec2messages:DeleteMessage",
    "ec2messages:FailMessage",
    "ec2messages:GetEndpoint",
    "ec2messages:GetMessages",
    "ec2messages:SendReply",
]
"""What the agent needs for commands and sessions, without the parameters that AWS's own policy would open."""


def make_instance_role(scope: Construct, stage: Stage, fleet: FleetSettings, data: DataStack) -> iam.Role:
    """Make the role of a fleet's machines."""
    role = iam.Role(scope, "Role", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"))
    for statement in instance_statements(scope, stage, fleet, data):
        role.add_to_policy(statement)
    accept_wildcards(
        role,
        "Objects are named by their digests below fixed prefixes; AWS grants the agent's channels and the list of "
        "groups for everything or nothing; a group's ARN holds an id that is made with it.",
        "*",
        group_arn(scope, stage, fleet),
        fleet_log_arn(scope, stage, fleet),
        *_objects(stage, data),
    )
    return role


def instance_statements(
    scope: Construct, stage: Stage, fleet: FleetSettings, data: DataStack
) -> list[iam.PolicyStatement]:
    """Return the statements of a machine's policy."""
    parameters = (
        names.active_bundle_parameter(stage.name, fleet.slug, prefix=stage.prefix),
        names.fleet_secret_parameter(stage.name, prefix=stage.prefix),
        names.models_bucket_parameter(stage.name, prefix=stage.prefix),
    )
    assets, bundles, logs = _objects(stage, data)
    return [
        iam.PolicyStatement(
            sid="Parameters",
            actions=["ssm:GetParameter"],
            resources=[parameter_arn(scope, name) for name in parameters],
        ),
        iam.PolicyStatement(
            sid="Models",
            actions=["s3:GetObject"],
            resources=[assets, bundles],
        ),
        iam.PolicyStatement(
            sid="Logs",
            actions=["s3:PutObject"],
            resources=[logs],
        ),
        iam.PolicyStatement(
            sid="OwnGroup",
            actions=[
                "autoscaling:SetInstanceProtection",
                "autoscaling:CompleteLifecycleAction",
                "autoscaling:RecordLifecycleActionHeartbeat",
            ],
            resources=[group_arn(scope, stage, fleet)],
        ),
        iam.PolicyStatement(
            sid="Watch", actions=["autoscaling:DescribeAutoScalingInstances", *_AGENT], resources=["*"]
        ),
        iam.PolicyStatement(
            sid="CloudWatchLogs",
            actions=["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
            resources=[fleet_log_arn(scope, stage, fleet)],
        ),
    ]


def _objects(stage: Stage, data: DataStack) -> tuple[str, str, str]:
    return (
        objects_arn(data.models_name, "assets/"),
        objects_arn(data.models_name, "bundles/"),
        objects_arn(data.logs_name, f"{names.sync_log_prefix(stage.name, '')}"),
    )
