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
