"""The two functions that look after a fleet's capacity, on moto, which keeps the records of a group."""

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from moto import mock_aws

FUNCTIONS = Path(__file__).parents[2] / "infrastructure" / "functions"
GROUP, ALARM = "asg-staging-gpu-default", "staging-gpu-default-queue-empty"


def module_of(name: str) -> ModuleType:
    """Load a function as Lambda does: a file by itself."""
    spec = importlib.util.spec_from_file_location(name, FUNCTIONS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def scaling(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a client of Auto Scaling, in which a group of spot machines has two of them."""
    environment = {"GROUP": GROUP, "QUEUE_EMPTY_ALARM": ALARM, "AWS_DEFAULT_REGION": "eu-central-1"}
    monkeypatch.syspath_prepend(FUNCTIONS)  # Lambda has all files of the folder beside each other
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        ec2 = boto3.client("ec2")
        image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
        data = {"ImageId": image, "InstanceType": "g5.xlarge"}
        ec2.create_launch_template(LaunchTemplateName="lt-staging", LaunchTemplateData=data)
        client = boto3.client("autoscaling")
        specification = {"LaunchTemplateName": "lt-staging", "Version": "$Latest"}
        client.create_auto_scaling_group(
            AutoScalingGroupName=GROUP,
            MinSize=0,
            MaxSize=4,
            DesiredCapacity=2,
            AvailabilityZones=["eu-central-1a"],
            MixedInstancesPolicy={
                "LaunchTemplate": {"LaunchTemplateSpecification": specification},
                "InstancesDistribution": {"OnDemandPercentageAboveBaseCapacity": 0},
            },
        )
        yield client


@pytest.fixture
def set_alarm(scaling: Any) -> Callable[[str], None]:
    """Return how to make the alarm of the empty queue what a test wants; moto never evaluates it."""
    watch = boto3.client("cloudwatch")
    watch.put_metric_alarm(
        AlarmName=ALARM,
        ComparisonOperator="LessThanThreshold",
        EvaluationPeriods=15,
        MetricName="QueueDepth",
        Namespace="ComfyUI/Workers",
        Period=60,
        Statistic="Maximum",
        Threshold=1,
    )

    def to(state: str) -> None:
        watch.set_alarm_state(AlarmName=ALARM, StateValue=state, StateReason="a test")

    return to


def desired(scaling: Any) -> int:
    groups = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])["AutoScalingGroups"]
    return int(groups[0]["DesiredCapacity"])


def on_demand(scaling: Any) -> int:
    groups = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])["AutoScalingGroups"]
    policy = groups[0]["MixedInstancesPolicy"]["InstancesDistribution"]
    return int(policy["OnDemandPercentageAboveBaseCapacity"])


def failed(message: str, group: str = GROUP) -> dict[str, Any]:
    return {"detail": {"AutoScalingGroupName": group, "StatusMessage": message}}


def test_an_empty_queue_brings_the_fleet_to_zero(scaling: Any, set_alarm: Callable[[str], None]) -> None:
    set_alarm("ALARM")
    assert module_of("to_zero").handle({}, None)["done"] == "set to zero"
    assert desired(scaling) == 0
    assert module_of("to_zero").handle({}, None)["done"] == "left: it is at zero"


@pytest.mark.parametrize("state", ["OK", "INSUFFICIENT_DATA"])
def test_a_queue_that_is_not_known_to_be_empty_keeps_the_machines(
    scaling: Any, set_alarm: Callable[[str], None], state: str
) -> None:
    set_alarm(state)
    assert module_of("to_zero").handle({}, None)["done"].startswith("left")
    assert desired(scaling) == 2


def test_without_the_alarm_the_machines_are_kept(scaling: Any) -> None:
    module_of("to_zero").handle({}, None)
    assert desired(scaling) == 2


LAUNCH = "Could not launch Spot Instances."
FAILED = "Launching EC2 instance failed."
NO_CAPACITY = f"InsufficientInstanceCapacity - There is no Spot capacity available that matches your request. {FAILED}"
UNFULFILLABLE = f"UnfulfillableCapacity - Unable to fulfill capacity due to your request configuration. {FAILED}"
NO_SUCH_TYPE = f"InvalidFleetConfiguration - g5.xlarge is not supported in your requested Availability Zone. {FAILED}"
NO_OTHERS = "Could not launch On-Demand Instances. InsufficientInstanceCapacity - We do not have sufficient capacity."


@pytest.mark.parametrize(
    "reason",
    [
        f"{LAUNCH} {NO_CAPACITY}",
        f"{LAUNCH} {UNFULFILLABLE}",
        f"There is no Spot capacity available that matches your request. {FAILED}",
        f"Max spot instance count exceeded. {FAILED}",
        f"{LAUNCH} MaxSpotInstanceCountExceeded - Max spot instance count exceeded. {FAILED}",
    ],
)
def test_while_no_spot_machine_can_be_had_the_fleet_takes_others_until_it_rests(
    scaling: Any, set_alarm: Callable[[str], None], reason: str
) -> None:
    module_of("to_on_demand").handle(failed(reason), None)
    assert on_demand(scaling) == 100
    set_alarm("ALARM")
    module_of("to_zero").handle({}, None)
    assert on_demand(scaling) == 0


@pytest.mark.parametrize(
    "event",
    [
        failed("The image id does not exist"),
        failed("no Spot capacity", "asg-other"),
        failed(f"{LAUNCH} {NO_SUCH_TYPE}"),
        failed(NO_OTHERS),
        {},
    ],
    ids=["image", "another group", "type", "on-demand", "another event"],
)
def test_other_failures_change_nothing(scaling: Any, event: dict[str, Any]) -> None:
    module_of("to_on_demand").handle(event, None)
    assert on_demand(scaling) == 0
