"""Machines that cannot be had: launches fail, groups say so and try again, and those who listen hear of it."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from lab.errors import NotSimulated
from lab.lab import Lab
from tests.lab.conftest import members

FAILED = {"source": ["aws.autoscaling"], "detail-type": ["EC2 Instance Launch Unsuccessful"]}


def mixed(lab: Lab, **distribution: Any) -> str:
    """Make a group of 0 to 4 machines of two types, some of which are spot ones."""
    data = {"ImageId": lab.base_image_id, "InstanceType": "g5.xlarge"}
    lab.client("ec2").create_launch_template(LaunchTemplateName="lt-mixed", LaunchTemplateData=data)
    template = {
        "LaunchTemplateSpecification": {"LaunchTemplateName": "lt-mixed", "Version": "$Latest"},
        "Overrides": [{"InstanceType": "g5.xlarge"}, {"InstanceType": "g6.xlarge"}],
    }
    lab.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName="mixed",
        MinSize=0,
        MaxSize=4,
        AvailabilityZones=["eu-central-1a"],
        MixedInstancesPolicy={"LaunchTemplate": template, "InstancesDistribution": distribution},
    )
    return "mixed"


def want(lab: Lab, group: str, count: int) -> None:
    lab.client("autoscaling").set_desired_capacity(AutoScalingGroupName=group, DesiredCapacity=count)
    lab.clock.forward(seconds=30)


def kinds(lab: Lab, group: str) -> list[tuple[str, str]]:
    """Return type and market of each machine of a group, in the order of their launch."""
    found = []
    for one in members(lab, group):
        page = lab.client("ec2").describe_instances(InstanceIds=[one["InstanceId"]])["Reservations"][0]
        instance = page["Instances"][0]
        found.append((instance["InstanceType"], instance.get("InstanceLifecycle", "on-demand")))
    return found


def activities(lab: Lab, group: str) -> list[tuple[str, str]]:
    """Return what a group did, newest first."""
    found = lab.client("autoscaling").describe_scaling_activities(AutoScalingGroupName=group)["Activities"]
    return [(one["StatusCode"], one.get("StatusMessage", "")) for one in found]


def test_a_type_that_cannot_be_had_is_refused_and_others_are_not(lab: Lab) -> None:
    ec2, one = lab.client("ec2"), {"ImageId": lab.base_image_id, "MinCount": 1, "MaxCount": 1}
    spot = {"InstanceMarketOptions": {"MarketType": "spot"}}
    with (
        lab.without_capacity("g5.xlarge"),
        pytest.raises(ClientError, match=r"InsufficientInstanceCapacity.*g5\.xlarge"),
    ):
        ec2.run_instances(**one, InstanceType="g5.xlarge")
    with lab.without_capacity(only_spot=True):
        with pytest.raises(ClientError, match=r"InsufficientInstanceCapacity.*no Spot capacity"):
            ec2.run_instances(**one, **spot, InstanceType="g6.xlarge")
        ec2.run_instances(**one, InstanceType="g6.xlarge")
    launched = ec2.run_instances(**one, **spot, InstanceType="g5.xlarge")["Instances"][0]
    assert launched["InstanceLifecycle"] == "spot"
    assert len(lab.machines.running) == 2


def test_a_group_notes_a_launch_that_failed_tells_of_it_and_tries_again(lab: Lab, group: str) -> None:
    heard: list[dict[str, Any]] = []
    lab.on_event({**FAILED, "detail": {"AutoScalingGroupName": [group]}}, heard.append)
    lab.on_event({**FAILED, "detail": {"AutoScalingGroupName": ["another"]}}, lambda _: pytest.fail("not its own"))
    with lab.without_capacity("g5.xlarge"):
        want(lab, group, 1)
        assert members(lab, group) == []
        lab.clock.forward(minutes=1)
    [(status, words), *more] = activities(lab, group)
    assert (status, len(more)) == ("Failed", 1)
    assert words.endswith("Launching EC2 instance failed.")
    assert [event["detail"]["StatusMessage"] for event in heard] == [words, words]
    assert heard[0]["detail"]["StatusCode"] == "Failed"
    lab.clock.forward(minutes=2)
    assert [one["LifecycleState"] for one in members(lab, group)] == ["InService"]
    assert activities(lab, group)[0] == ("Successful", "")


def test_a_mixed_group_takes_the_next_type_and_has_its_base_on_demand(lab: Lab) -> None:
    group = mixed(lab, OnDemandBaseCapacity=1, OnDemandPercentageAboveBaseCapacity=50)
    with lab.without_capacity("g5.xlarge"):
        want(lab, group, 1)
    want(lab, group, 4)
    assert kinds(lab, group) == [
        ("g6.xlarge", "on-demand"),
        ("g5.xlarge", "on-demand"),
        ("g5.xlarge", "spot"),
        ("g5.xlarge", "on-demand"),
    ]


def test_a_group_of_spot_machines_alone_does_not_turn_to_others_by_itself(lab: Lab) -> None:
    group = mixed(lab, OnDemandPercentageAboveBaseCapacity=0)
    with lab.without_capacity(only_spot=True):
        want(lab, group, 1)
        lab.clock.forward(minutes=5)
        assert members(lab, group) == []
        status, words = activities(lab, group)[0]
        assert status == "Failed"
        assert words.startswith("Could not launch Spot Instances. InsufficientInstanceCapacity - ")
    lab.clock.forward(minutes=2)
    assert kinds(lab, group) == [("g5.xlarge", "spot")]


def test_patterns_with_more_than_values_are_refused(lab: Lab) -> None:
    with pytest.raises(NotSimulated, match="detail-type"):
        lab.on_event({"detail-type": [{"prefix": "EC2"}]}, lambda _: None)
