"""The adapters of AWS on moto, with commands that bash runs: moto starts no machine, so no agent answers there."""

from dataclasses import dataclass, replace
from pathlib import Path

import boto3
import pytest
from tests.ports.cloud.conftest import aws, moto_server, stage
from tests.support.clouds.commands import ShellCommands, say
from tests.support.clouds.machines import Clock, MemoryMachines

from comfyfleet import names
from comfyfleet.cloud.fleet_ports import Machines, MachineState, ParameterKind
from comfyfleet.ops.tools import Cloud
from comfyfleet.ops.wiring import aws_cloud

__all__ = ["aws", "moto_server", "stage"]

FLEET = "gpu-default"
TYPE = "g5.xlarge"


class MotoCommands(ShellCommands):
    """Reaches every machine of moto's that runs."""

    def __init__(self, known: Machines, folder: Path) -> None:
        super().__init__(MemoryMachines(Clock()), folder)
        self.known = known

    def is_reachable(self, instance_id: str) -> bool:
        machine = self.known.find(instance_id)
        return machine is not None and machine.state is MachineState.RUNNING


@dataclass(frozen=True)
class Site:
    """A stage on moto: its template, its parameters, an image for machines, and an empty bucket."""

    cloud: Cloud
    commands: MotoCommands
    stage: str
    bucket: str
    image_id: str

    def parameter(self) -> str:
        found = self.cloud.parameters.get(names.image_parameter(self.stage, FLEET))
        assert found is not None
        return found.value


@pytest.fixture
def site(aws: str, stage: str, tmp_path: Path) -> Site:
    cloud = aws_cloud(stage, None, names.DEFAULT_PREFIX)
    commands = MotoCommands(cloud.machines, tmp_path / "machines")
    cloud = replace(cloud, commands=commands, sleep=lambda _: None)
    image_id = boto3.client("ec2").describe_images()["Images"][0]["ImageId"]
    bucket = names.models_bucket("123456789012", stage)
    location = {"LocationConstraint": "eu-central-1"}
    boto3.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration=location)
    # as the stack has it: the image is looked up in the fleet's parameter, unless a launch names another one
    looked_up = {"InstanceType": TYPE, "ImageId": f"resolve:ssm:{names.image_parameter(stage, FLEET)}"}
    boto3.client("ec2").create_launch_template(
        LaunchTemplateName=names.launch_template_name(stage, FLEET), LaunchTemplateData=looked_up
    )
    boto3.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=names.group_name(stage, FLEET),
        LaunchTemplate={"LaunchTemplateName": names.launch_template_name(stage, FLEET), "Version": "$Latest"},
        MinSize=0,
        MaxSize=2,
        DesiredCapacity=0,
        VPCZoneIdentifier=boto3.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"],
    )
    cloud.parameters.put(names.image_parameter(stage, FLEET), image_id, kind=ParameterKind.IMAGE)
    cloud.parameters.put(names.models_bucket_parameter(stage), bucket)
    commands.programs = {"sleep": say(), "systemctl": say(), "journalctl": say(), "cloud-init": say()}
    return Site(cloud, commands, stage, bucket, image_id)
