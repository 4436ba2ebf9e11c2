"""Instance refreshes."""

from typing import Any

from lab.lab import Lab
from tests.lab.conftest import grow, members

QUICK = {"MinHealthyPercentage": 50, "InstanceWarmup": 60}


def state(lab: Lab, group: str) -> tuple[str, int]:
    found = lab.client("autoscaling").describe_instance_refreshes(AutoScalingGroupName=group)["InstanceRefreshes"][0]
    return found["Status"], found["PercentageComplete"]


def start(lab: Lab, group: str, **more: Any) -> None:
    lab.client("autoscaling").start_instance_refresh(AutoScalingGroupName=group, Preferences={**QUICK, **more})


def test_a_refresh_waits_at_its_checkpoint_then_replaces_the_rest(lab: Lab, group: str) -> None:
    before = set(grow(lab, group, 2))
    start(lab, group, CheckpointPercentages=[50, 100], CheckpointDelay=600)
    lab.clock.forward(minutes=5)
    assert state(lab, group) == ("InProgress", 50)
    assert len({one["InstanceId"] for one in members(lab, group)} & before) == 1
    lab.clock.forward(minutes=10)
    assert state(lab, group) == ("Successful", 100)
    after = members(lab, group)
    assert len(after) == 2
    assert not {one["InstanceId"] for one in after} & before


def test_a_refresh_that_skips_matching_machines_replaces_those_of_older_versions_only(lab: Lab, group: str) -> None:
    (first,) = grow(lab, group, 1)
    lab.client("ec2").create_launch_template_version(
        LaunchTemplateName="lt-lab", SourceVersion="1", LaunchTemplateData={"InstanceType": "g6.xlarge"}
    )
    second = next(one for one in grow(lab, group, 2) if one != first)
    start(lab, group, SkipMatching=True)
    lab.clock.forward(minutes=5)
    assert state(lab, group) == ("Successful", 100)
    found = {one["InstanceId"]: one["InstanceType"] for one in members(lab, group)}
    assert second in found
    assert first not in found
    assert set(found.values()) == {"g6.xlarge"}


def test_a_protected_machine_is_waited_for_and_a_cancelled_refresh_ends(lab: Lab, group: str) -> None:
    (first,) = grow(lab, group, 1)
    scaling = lab.client("autoscaling")
    scaling.set_instance_protection(AutoScalingGroupName=group, InstanceIds=[first], ProtectedFromScaleIn=True)
    start(lab, group, ScaleInProtectedInstances="Wait")
    lab.clock.forward(minutes=10)
    assert state(lab, group) == ("InProgress", 0)
    scaling.cancel_instance_refresh(AutoScalingGroupName=group)
    lab.clock.forward(seconds=10)
    assert state(lab, group) == ("Cancelled", 0)
    assert [one["InstanceId"] for one in members(lab, group)] == [first]


def test_a_protected_machine_is_replaced_where_that_is_asked_for(lab: Lab, group: str) -> None:
    (first,) = grow(lab, group, 1)
    scaling = lab.client("autoscaling")
    scaling.set_instance_protection(AutoScalingGroupName=group, InstanceIds=[first], ProtectedFromScaleIn=True)
    start(lab, group, ScaleInProtectedInstances="Refresh", InstanceWarmup=0)
    lab.clock.forward(minutes=5)
    assert state(lab, group) == ("Successful", 100)
    assert first not in [one["InstanceId"] for one in members(lab, group)]


def test_an_image_that_comes_from_a_parameter_is_rolled_out_only_without_skipping_matching_machines(lab: Lab) -> None:
    ssm, ec2, scaling = lab.client("ssm"), lab.client("ec2"), lab.client("autoscaling")
    ssm.put_parameter(Name="/bp/ami", Value=lab.base_image_id, Type="String")
    data = {"ImageId": "resolve:ssm:/bp/ami", "InstanceType": "g5.xlarge"}
    ec2.create_launch_template(LaunchTemplateName="lt-parameter", LaunchTemplateData=data)
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="asg",
        MinSize=0,
        MaxSize=1,
        AvailabilityZones=["eu-central-1a"],
        LaunchTemplate={"LaunchTemplateName": "lt-parameter", "Version": "$Latest"},
    )
    (first,) = grow(lab, "asg", 1)
    image = ec2.create_image(InstanceId=first, Name="baked")["ImageId"]
    ssm.put_parameter(Name="/bp/ami", Value=image, Type="String", Overwrite=True)
    found = []
    for skips in (True, False):
        start(lab, "asg", SkipMatching=skips)
        lab.clock.forward(minutes=3)
        assert state(lab, "asg") == ("Successful", 100)
        found.append(members(lab, "asg")[0]["ImageId"])
    assert found == [lab.base_image_id, image]
