"""The stacks in the lab: a fleet wakes from zero by its own alarms, and goes back to zero."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab.deploy.stacks import SITE_ADDRESS, Deployment
from lab.lab import Lab
from tests.infrastructure.conftest import Assembly

from comfyfleet import names
from comfyfleet.names import Metric

FLEET = names.DEFAULT_FLEET
FUNCTIONS = Path(__file__).parents[2] / "infrastructure" / "functions"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, assembly: Assembly) -> Iterator[Lab]:
    """A lab of each stage's own, whose first image does nothing when it starts, as AWS's own."""
    assert assembly.folder.is_dir()
    with Lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture(scope="module")
def deployment(lab: Lab, assembly: Assembly) -> Deployment:
    """Deploy all three stacks of a stage."""
    stage = assembly.data.path.name.split("-")[1]
    deployment = Deployment(lab, FUNCTIONS, given={SITE_ADDRESS.format(stage=stage): "fleet.example.com"})
    for template in (assembly.data, assembly.compute, assembly.gpu):
        deployment.deploy(template.path)
    return deployment


def tell(lab: Lab, minutes: int, **figures: float) -> None:
    """Tell a fleet's figures each minute, and let it go by."""
    for _ in range(minutes):
        data = [
            {
                "MetricName": Metric[name],
                "Dimensions": [{"Name": names.FLEET_DIMENSION, "Value": FLEET}],
                "Timestamp": lab.clock.now(),
                "Value": value,
            }
            for name, value in figures.items()
        ]
        lab.client("cloudwatch").put_metric_data(Namespace=names.METRICS_NAMESPACE, MetricData=data)
        lab.clock.forward(minutes=1)


def group_of(lab: Lab, stage: str) -> dict[str, Any]:
    found = lab.client("autoscaling").describe_auto_scaling_groups(
        AutoScalingGroupNames=[names.group_name(stage, FLEET)]
    )
    return dict(found["AutoScalingGroups"][0])


def test_what_the_lab_has_is_made_and_the_rest_is_listed(deployment: Deployment, lab: Lab, stage: str) -> None:
    buckets = {one["Name"] for one in lab.client("s3").list_buckets()["Buckets"]}
    assert {names.models_bucket("111122223333", stage), names.logs_bucket("111122223333", stage)} <= buckets
    pointer = lab.client("ssm").get_parameter(Name=names.active_bundle_parameter(stage, FLEET))["Parameter"]["Value"]
    assert pointer == names.NO_BUNDLE
    kinds = {reason.split(": ")[0] for reason in deployment.left_out.values()}
    assert {"AWS::RDS::DBInstance", "AWS::ECS::Service", "AWS::ElasticLoadBalancingV2::LoadBalancer"} <= kinds
    assert not kinds & {
        "AWS::AutoScaling::AutoScalingGroup",
        "AWS::AutoScaling::LifecycleHook",
        "AWS::AutoScaling::ScalingPolicy",
        "AWS::CloudWatch::Alarm",
        "AWS::EC2::LaunchTemplate",
        "AWS::Lambda::Function",
        "AWS::S3::Bucket",
        "AWS::SSM::Parameter",
    }


def test_the_control_planes_environment_is_read_from_its_task(
    deployment: Deployment, assembly: Assembly, stage: str
) -> None:
    task = deployment.task(assembly.compute.path, "serve")
    assert task.environment["COMFYUI_MODELS_BUCKET"] == names.models_bucket("111122223333", stage)
    assert task.environment["COMFYUI_FLEET_SECRET"] == names.SECRET_PLACEHOLDER
    assert (task.environment["STAGE"], task.command[0]) == (stage, "serve")
    assert task.missing == {"DATABASE_HOST", "DATABASE_USER", "DATABASE_PASSWORD"}


def test_a_job_wakes_the_fleet_and_an_empty_queue_brings_it_back_to_zero(
    deployment: Deployment, lab: Lab, stage: str
) -> None:
    assert group_of(lab, stage)["DesiredCapacity"] == 0
    tell(lab, 2, QUEUE_DEPTH=1, ACTIVE_WORKERS=0, BACKLOG_PER_INSTANCE=1)
    [machine] = group_of(lab, stage)["Instances"]
    root = lab.machines.running[machine["InstanceId"]].root
    lab.machines.running[machine["InstanceId"]].children[0].wait(60)
    assert f"FLEET_SLUG={FLEET}" in (root / "opt/worker/boot.env").read_text().splitlines()
    assert "not baked" in (root / "var/log/comfyui-asset-sync.log").read_text()
    tell(lab, 5, QUEUE_DEPTH=1, ACTIVE_WORKERS=1, BACKLOG_PER_INSTANCE=1)
    assert group_of(lab, stage)["DesiredCapacity"] == 1

    tell(lab, 14, QUEUE_DEPTH=0, ACTIVE_WORKERS=1, BACKLOG_PER_INSTANCE=0)
    assert group_of(lab, stage)["DesiredCapacity"] == 1
    tell(lab, 3, QUEUE_DEPTH=0, ACTIVE_WORKERS=1, BACKLOG_PER_INSTANCE=0)
    assert group_of(lab, stage)["DesiredCapacity"] == 0
    [machine] = group_of(lab, stage)["Instances"]
    assert machine["LifecycleState"] == "Terminating:Wait"
    let_go(lab, stage)
    tell(lab, 20, QUEUE_DEPTH=0, ACTIVE_WORKERS=0, BACKLOG_PER_INSTANCE=0)
    assert group_of(lab, stage)["DesiredCapacity"] == 0
    words = {answer["done"] for function in deployment.called.values() for answer in function.answers}
    assert {"set to zero", "left: it is at zero"} <= words


def share(lab: Lab, stage: str) -> int:
    """Return the share of on-demand machines in a fleet, in percent."""
    distribution = group_of(lab, stage)["MixedInstancesPolicy"]["InstancesDistribution"]
    return int(distribution["OnDemandPercentageAboveBaseCapacity"])


def markets(lab: Lab, stage: str) -> list[str]:
    """Return which kind of machine each machine of a fleet in service is, as EC2 tells it."""
    ids = [one["InstanceId"] for one in group_of(lab, stage)["Instances"] if one["LifecycleState"] == "InService"]
    found = [lab.client("ec2").describe_instances(InstanceIds=[one])["Reservations"][0]["Instances"][0] for one in ids]
    return [one.get("InstanceLifecycle", "on-demand") for one in found]


def let_go(lab: Lab, stage: str) -> None:
    """Let the machines of a fleet that wait in the termination hook go on."""
    for machine in group_of(lab, stage)["Instances"]:
        lab.client("autoscaling").complete_lifecycle_action(
            AutoScalingGroupName=names.group_name(stage, FLEET),
            LifecycleHookName=names.TERMINATION_HOOK,
            InstanceId=machine["InstanceId"],
            LifecycleActionResult="CONTINUE",
        )
    lab.clock.forward(minutes=1)
    assert group_of(lab, stage)["Instances"] == []


@pytest.mark.usefixtures("deployment")
def test_a_fleet_without_spot_machines_takes_others_until_it_rests(lab: Lab, stage: str) -> None:
    with lab.without_capacity(only_spot=True):
        tell(lab, 5, QUEUE_DEPTH=1, ACTIVE_WORKERS=0, BACKLOG_PER_INSTANCE=1)
        failed = [one for one in activities(lab, stage) if one["StatusCode"] == "Failed"]
        assert "There is no Spot capacity available that matches your request" in failed[0]["StatusMessage"]
        assert (share(lab, stage), set(markets(lab, stage))) == (100, {"on-demand"})
        tell(lab, 16, QUEUE_DEPTH=0, ACTIVE_WORKERS=1, BACKLOG_PER_INSTANCE=0)
        assert (share(lab, stage), group_of(lab, stage)["DesiredCapacity"]) == (0, 0)
        let_go(lab, stage)
    tell(lab, 3, QUEUE_DEPTH=1, ACTIVE_WORKERS=0, BACKLOG_PER_INSTANCE=1)
    assert (share(lab, stage), markets(lab, stage)) == (0, ["spot"])
    tell(lab, 16, QUEUE_DEPTH=0, ACTIVE_WORKERS=1, BACKLOG_PER_INSTANCE=0)
    let_go(lab, stage)


@pytest.mark.usefixtures("deployment")
def test_a_fleet_without_machines_of_its_first_type_takes_the_next(lab: Lab, stage: str) -> None:
    overrides = group_of(lab, stage)["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]
    first, second, *_ = [one["InstanceType"] for one in overrides]
    with lab.without_capacity(first):
        tell(lab, 3, QUEUE_DEPTH=1, ACTIVE_WORKERS=0, BACKLOG_PER_INSTANCE=1)
    assert [one["InstanceType"] for one in group_of(lab, stage)["Instances"]] == [second]
    assert (share(lab, stage), markets(lab, stage)) == (0, ["spot"])
    tell(lab, 16, QUEUE_DEPTH=0, ACTIVE_WORKERS=1, BACKLOG_PER_INSTANCE=0)
    let_go(lab, stage)


def activities(lab: Lab, stage: str) -> list[dict[str, Any]]:
    group = names.group_name(stage, FLEET)
    return list(lab.client("autoscaling").describe_scaling_activities(AutoScalingGroupName=group)["Activities"])


def test_a_control_plane_that_says_nothing_changes_nothing(deployment: Deployment, lab: Lab, stage: str) -> None:
    before = group_of(lab, stage)["DesiredCapacity"]
    lab.clock.forward(minutes=30)
    assert group_of(lab, stage)["DesiredCapacity"] == before
