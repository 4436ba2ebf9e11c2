"""A lab whose time stands still until a test moves it."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab.lab import Lab

USER_DATA = '#!/bin/sh\necho "$MACHINE_ROOT" > booted\nsleep 600 &\n'


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path / "lab") as running:
        yield running


@pytest.fixture
def group(lab: Lab) -> str:
    """Make a group of 0 to 4 machines with none."""
    data = {
        "ImageId": lab.base_image_id,
        "InstanceType": "g5.xlarge",
        "UserData": base64.b64encode(USER_DATA.encode()).decode(),
    }
    lab.client("ec2").create_launch_template(LaunchTemplateName="lt-lab", LaunchTemplateData=data)
    lab.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName="asg",
        MinSize=0,
        MaxSize=4,
        DesiredCapacity=0,
        AvailabilityZones=["eu-central-1a"],
        LaunchTemplate={"LaunchTemplateName": "lt-lab", "Version": "$Latest"},
        Tags=[{"Key": "FleetSlug", "Value": "gpu-default", "PropagateAtLaunch": True}],
    )
    return "asg"


def members(lab: Lab, group: str) -> list[dict[str, Any]]:
    found = lab.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[group])
    return list(found["AutoScalingGroups"][0]["Instances"])


def grow(lab: Lab, group: str, count: int) -> list[str]:
    """Bring a group to a number of machines in service; return their ids."""
    lab.client("autoscaling").set_desired_capacity(AutoScalingGroupName=group, DesiredCapacity=count)
    lab.clock.forward(seconds=30)
    found = members(lab, group)
    assert [one["LifecycleState"] for one in found] == ["InService"] * count
    return [one["InstanceId"] for one in found]
