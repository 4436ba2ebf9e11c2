"""Metrics to alarms to policies to machines, and commands that run on them."""

from typing import Any

import pytest
from lab.lab import Lab
from tests.lab.conftest import grow, members

NAMESPACE = "ComfyUI/Workers"
DIMENSIONS = [{"Name": "FleetSlug", "Value": "gpu-default"}]


def tell(lab: Lab, depth: float) -> None:
    datum = {"MetricName": "QueueDepth", "Dimensions": DIMENSIONS, "Timestamp": lab.clock.now(), "Value": depth}
    lab.client("cloudwatch").put_metric_data(Namespace=NAMESPACE, MetricData=[datum])


def alarm(lab: Lab, name: str, action: str, **more: Any) -> None:
    lab.client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        Namespace=NAMESPACE,
        MetricName="QueueDepth",
        Dimensions=DIMENSIONS,
        Statistic="Maximum",
        Period=60,
        AlarmActions=[action],
        **more,
    )


def test_a_job_in_the_queue_wakes_a_sleeping_group_by_one_machine(lab: Lab, group: str) -> None:
    policy = lab.client("autoscaling").put_scaling_policy(
        AutoScalingGroupName=group,
        PolicyName="wake",
        PolicyType="StepScaling",
        AdjustmentType="ChangeInCapacity",
        StepAdjustments=[{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
    )
    alarm(
        lab,
        "has-jobs",
        policy["PolicyARN"],
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
    )
    for _ in range(3):
        tell(lab, 5)
        lab.clock.forward(minutes=1)
    (found,) = members(lab, group)
    assert found["LifecycleState"] == "InService"


def test_a_group_follows_its_target_up_and_then_down(lab: Lab, group: str) -> None:
    grow(lab, group, 1)
    metric = {"Namespace": NAMESPACE, "MetricName": "QueueDepth", "Dimensions": DIMENSIONS, "Statistic": "Average"}
    lab.client("autoscaling").put_scaling_policy(
        AutoScalingGroupName=group,
        PolicyName="follow",
        PolicyType="TargetTrackingScaling",
        EstimatedInstanceWarmup=60,
        TargetTrackingConfiguration={"CustomizedMetricSpecification": metric, "TargetValue": 2},
    )
    for _ in range(4):
        tell(lab, 6)
        lab.clock.forward(minutes=1)
    assert len(members(lab, group)) >= 3
    for _ in range(17):
        tell(lab, 0.5)
        lab.clock.forward(minutes=1)
    assert len(members(lab, group)) == 1


def test_fifteen_empty_minutes_bring_the_function_that_scales_to_zero(lab: Lab, group: str) -> None:
    grow(lab, group, 1)
    scaling = lab.client("autoscaling")
    function = "arn:aws:lambda:eu-central-1:123456789012:function:scale-to-zero"
    lab.on_alarm(function, lambda _: scaling.set_desired_capacity(AutoScalingGroupName=group, DesiredCapacity=0))
    alarm(
        lab,
        "empty",
        function,
        EvaluationPeriods=15,
        Threshold=0,
        ComparisonOperator="LessThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
    )
    for _ in range(14):
        tell(lab, 0)
        lab.clock.forward(minutes=1)
    assert len(members(lab, group)) == 1
    for _ in range(3):
        tell(lab, 0)
        lab.clock.forward(minutes=1)
    assert members(lab, group) == []


def test_figures_of_one_fleet_do_not_mix_with_those_of_another(lab: Lab) -> None:
    tell(lab, 3)
    other = {"MetricName": "QueueDepth", "Dimensions": [{"Name": "FleetSlug", "Value": "b"}], "Value": 100.0}
    lab.client("cloudwatch").put_metric_data(Namespace=NAMESPACE, MetricData=[other])
    metric = {"Namespace": NAMESPACE, "MetricName": "QueueDepth", "Dimensions": DIMENSIONS}
    start = lab.clock.now()
    lab.clock.forward(minutes=1)
    found = lab.client("cloudwatch").get_metric_data(
        MetricDataQueries=[{"Id": "q", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}],
        StartTime=start,
        EndTime=lab.clock.now(),
    )
    assert found["MetricDataResults"][0]["Values"] == [3]


@pytest.mark.parametrize(("script", "status"), [("pwd; echo oh >&2", "Success"), ("exit 3", "Failed")])
def test_a_command_runs_on_the_machines_own_folder(lab: Lab, group: str, script: str, status: str) -> None:
    (machine,) = grow(lab, group, 1)
    lab.client("s3").create_bucket(Bucket="logs", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    ssm = lab.client("ssm")
    command = ssm.send_command(
        InstanceIds=[machine],
        DocumentName="AWS-RunShellScript",
        Parameters={"commands": [script]},
        OutputS3BucketName="logs",
        OutputS3KeyPrefix="asset-sync",
    )["Command"]["CommandId"]
    lab.commands.wait()
    found = ssm.get_command_invocation(CommandId=command, InstanceId=machine)
    assert found["Status"] == status
    if status == "Success":
        assert found["StandardOutputContent"].strip() == str(lab.machines.running[machine].root)
        key = f"asset-sync/{command}/{machine}/awsrunShellScript/0.awsrunShellScript/stderr"
        assert lab.client("s3").get_object(Bucket="logs", Key=key)["Body"].read() == b"oh\n"


def test_an_image_is_a_copy_of_a_machines_disk(lab: Lab, group: str) -> None:
    (machine,) = grow(lab, group, 1)
    (lab.machines.running[machine].root / "baked").write_text("b1")
    ec2 = lab.client("ec2")
    image = ec2.create_image(InstanceId=machine, Name="baked")["ImageId"]
    launched = ec2.run_instances(ImageId=image, InstanceType="g5.xlarge", MinCount=1, MaxCount=1)
    root = lab.machines.running[launched["Instances"][0]["InstanceId"]].root
    assert (root / "baked").read_text() == "b1"
