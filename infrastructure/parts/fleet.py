"""One fleet: machines of an Auto Scaling group that wakes from zero and goes back to it."""

from pathlib import Path
from typing import Final

from aws_cdk import Fn, RemovalPolicy, Tags
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from comfyfleet import names
from infrastructure.parts.arns import fleet_log
from infrastructure.parts.capacity import CapacityFunctions
from infrastructure.parts.exceptions import accept
from infrastructure.parts.instance_role import make_instance_role
from infrastructure.parts.scaling import add_scaling
from infrastructure.stacks.data import DataStack, private_subnets
from infrastructure.stages import FleetSettings, Stage

_USER_DATA: Final = (Path(__file__).parents[1] / "machine" / "user-data.sh").read_text()
_ROOT_DISK: Final = "/dev/sda1"


class Fleet(Construct):
    """A fleet's resources, by the names that operators know."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        stage: Stage,
        fleet: FleetSettings,
        data: DataStack,
        site_url: str,
    ) -> None:
        super().__init__(scope, construct_id)
        self._stage, self._fleet, self._data, self._site_url = stage, fleet, data, site_url
        self.role = make_instance_role(self, stage, fleet, data)
        logs.LogGroup(  # machines may write to it, and make none
            self,
            "Log",
            log_group_name=fleet_log(stage, fleet),
            retention=logs.RetentionDays.ONE_MONTH,
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        self.template = self._template()
        self.group = self._group()
        accept(
            self.group,
            "EventBridge has every event of the group, and two functions hear those that matter.",
            "AwsSolutions-AS3",
        )
        accept(
            self.group, "The disk is encrypted; the rule cannot read the template that says so.", "AwsSolutions-EC26"
        )
        self._hook()
        functions = CapacityFunctions(self, "Capacity", stage, fleet, self.template, self.role)
        add_scaling(self, stage, fleet, self.group, functions)
        Tags.of(self).add(names.FLEET_TAG, fleet.slug)

    def _template(self) -> ec2.CfnLaunchTemplate:
        stage, fleet = self._stage, self._fleet
        image = names.image_parameter(stage.name, fleet.slug, prefix=stage.prefix)
        gate = ec2.SecurityGroup(
            self, "Machines", vpc=self._data.network, allow_all_outbound=True, description="Machines only call out"
        )
        profile = iam.CfnInstanceProfile(self, "Profile", roles=[self.role.role_name])
        disk = ec2.CfnLaunchTemplate.EbsProperty(
            volume_type="gp3",
            volume_size=fleet.disk_gib,
            encrypted=True,
            delete_on_termination=True,
            throughput=500,
            iops=4000,
        )
        return ec2.CfnLaunchTemplate(
            self,
            "Template",
            launch_template_name=names.launch_template_name(stage.name, fleet.slug),
            launch_template_data=ec2.CfnLaunchTemplate.LaunchTemplateDataProperty(
                image_id=f"resolve:ssm:{image}",  # looked up at each launch: a bake needs no new template
                iam_instance_profile=ec2.CfnLaunchTemplate.IamInstanceProfileProperty(arn=profile.attr_arn),
                security_group_ids=[gate.security_group_id],
                block_device_mappings=[
                    ec2.CfnLaunchTemplate.BlockDeviceMappingProperty(device_name=_ROOT_DISK, ebs=disk)
                ],
                metadata_options=ec2.CfnLaunchTemplate.MetadataOptionsProperty(
                    http_tokens="required", http_put_response_hop_limit=1, instance_metadata_tags="enabled"
                ),
                monitoring=ec2.CfnLaunchTemplate.MonitoringProperty(enabled=True),
                user_data=Fn.base64(self._user_data()),
                tag_specifications=[
                    ec2.CfnLaunchTemplate.TagSpecificationProperty(resource_type=kind, tags=_cfn_tags(stage, fleet))
                    for kind in ("instance", "volume")
                ],
            ),
        )

    def _user_data(self) -> str:
        stage, fleet = self._stage, self._fleet
        values = {
            "STAGE": stage.name,
            "FLEET_SLUG": fleet.slug,
            "NAME_PREFIX": stage.prefix,
            "API_BASE_URL": self._site_url,
            "ASG_NAME": names.group_name(stage.name, fleet.slug),
            "AWS_DEFAULT_REGION": stage.region,
            "LOGS_BUCKET": self._data.logs.bucket_name,
        }
        return _USER_DATA.replace("@VALUES@", "\n".join(f"{name}={value}" for name, value in values.items()))

    def _group(self) -> autoscaling.CfnAutoScalingGroup:
        """Spot machines of several types; `parts.capacity` turns to on-demand ones while no spot machine can be had."""
        stage, fleet = self._stage, self._fleet
        group = autoscaling.CfnAutoScalingGroup
        return group(
            self,
            "Group",
            auto_scaling_group_name=names.group_name(stage.name, fleet.slug),
            min_size="0",
            max_size=str(fleet.maximum),
            vpc_zone_identifier=private_subnets(self._data),
            capacity_rebalance=True,
            new_instances_protected_from_scale_in=False,
            default_instance_warmup=300,
            health_check_type="EC2",
            health_check_grace_period=600,
            mixed_instances_policy=group.MixedInstancesPolicyProperty(
                instances_distribution=group.InstancesDistributionProperty(
                    on_demand_base_capacity=0,
                    on_demand_percentage_above_base_capacity=0,
                    spot_allocation_strategy="price-capacity-optimized",
                ),
                launch_template=group.LaunchTemplateProperty(
                    launch_template_specification=group.LaunchTemplateSpecificationProperty(
                        launch_template_id=self.template.ref, version=self.template.attr_latest_version_number
                    ),
                    overrides=[
                        group.LaunchTemplateOverridesProperty(instance_type=one) for one in fleet.instance_types
                    ],
                ),
            ),
            tags=[
                group.TagPropertyProperty(key=name, value=value, propagate_at_launch=True)
                for name, value in _tags(stage, fleet).items()
            ],
            metrics_collection=[group.MetricsCollectionProperty(granularity="1Minute")],
        )

    def _hook(self) -> None:
        """A machine that is to go ends or puts back its job first, and says when it is done."""
        autoscaling.CfnLifecycleHook(
            self,
            "Drain",
            auto_scaling_group_name=self.group.ref,
            lifecycle_hook_name=names.TERMINATION_HOOK,
            lifecycle_transition="autoscaling:EC2_INSTANCE_TERMINATING",
            heartbeat_timeout=self._fleet.drain_seconds,
            default_result="CONTINUE",
        )


def _tags(stage: Stage, fleet: FleetSettings) -> dict[str, str]:
    return {
        "Name": f"{stage.name}-{fleet.slug}",
        names.FLEET_TAG: fleet.slug,
        names.STAGE_TAG: stage.name,
        names.ROLE_TAG: names.FLEET_ROLE,
    }


def _cfn_tags(stage: Stage, fleet: FleetSettings) -> list[dict[str, str]]:
    return [{"key": name, "value": value} for name, value in _tags(stage, fleet).items()]
