"""Every resource that operators and the contract name is in the templates, as it has to be."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.infrastructure.conftest import ACCOUNT, Assembly

from comfyfleet import names

FLEET = "gpu-default"


def text_of(value: Any) -> str:
    """Return a value with its references, as one text to look into."""
    return str(value)


@pytest.mark.parametrize("name", [names.models_bucket, names.media_bucket, names.logs_bucket])
def test_buckets_are_private_encrypted_and_reached_by_tls(assembly: Assembly, stage: str, name: Any) -> None:
    bucket = assembly.data.only("AWS::S3::Bucket", BucketName=name(ACCOUNT, stage))
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["BucketEncryption"]
    rules = bucket["LifecycleConfiguration"]["Rules"]
    assert {"DaysAfterInitiation": 7} in [rule.get("AbortIncompleteMultipartUpload") for rule in rules]


def test_each_bucket_denies_what_does_not_come_by_tls(assembly: Assembly) -> None:
    policies = assembly.data.of_type("AWS::S3::BucketPolicy")
    assert len(policies) == 3
    for policy in policies:
        statements = policy["PolicyDocument"]["Statement"]
        assert any(
            one["Effect"] == "Deny" and one["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            for one in statements
            if "Condition" in one
        )


def test_models_keep_old_versions_for_a_while(assembly: Assembly, stage: str) -> None:
    bucket = assembly.data.only("AWS::S3::Bucket", BucketName=names.models_bucket(ACCOUNT, stage))
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert any("NoncurrentVersionExpiration" in rule for rule in bucket["LifecycleConfiguration"]["Rules"])


@pytest.mark.parametrize("kind", ["AWS::S3::Bucket", "AWS::SSM::Parameter", "AWS::Logs::LogGroup"])
def test_what_is_named_outlives_its_stack_but_not_a_first_deploy_that_failed(assembly: Assembly, kind: str) -> None:
    resources = [*assembly.data.resources.values(), *assembly.compute.resources.values()]
    named = [
        one
        for one in resources
        if one["Type"] == kind and {"Name", "BucketName", "LogGroupName"} & set(one["Properties"])
    ]
    assert {one["DeletionPolicy"] for one in named} == {"RetainExceptOnCreate"}


@pytest.mark.parametrize("name", [names.models_bucket, names.media_bucket])
def test_browsers_may_send_parts_and_see_that_they_arrived(assembly: Assembly, stage: str, name: Any) -> None:
    bucket = assembly.data.only("AWS::S3::Bucket", BucketName=name(ACCOUNT, stage))
    (rule,) = bucket["CorsConfiguration"]["CorsRules"]
    assert {"PUT", "GET"} <= set(rule["AllowedMethods"])
    assert rule["ExposedHeaders"] == ["ETag"]
    assert rule["AllowedOrigins"] != ["*"]


@pytest.mark.parametrize(
    ("name", "value"),
    [(names.fleet_secret_parameter, names.SECRET_PLACEHOLDER), (names.app_key_parameter, names.SECRET_PLACEHOLDER)],
)
def test_secrets_begin_as_a_placeholder_that_is_refused(assembly: Assembly, stage: str, name: Any, value: str) -> None:
    assert assembly.data.only("AWS::SSM::Parameter", Name=name(stage))["Value"] == value


def test_the_models_bucket_is_told_by_a_parameter(assembly: Assembly, stage: str) -> None:
    parameter = assembly.data.only("AWS::SSM::Parameter", Name=names.models_bucket_parameter(stage))
    assert "Models" in text_of(parameter["Value"])


def test_a_fleet_begins_with_no_bundle_and_a_base_image(assembly: Assembly, stage: str) -> None:
    pointer = assembly.data.only("AWS::SSM::Parameter", Name=names.active_bundle_parameter(stage, FLEET))
    image = assembly.data.only("AWS::SSM::Parameter", Name=names.image_parameter(stage, FLEET))
    assert pointer["Value"] == names.NO_BUNDLE
    assert (image["DataType"], image["Value"]) == (
        "aws:ec2:image",
        f"{{{{resolve:ssm:{names.BASE_IMAGE_PARAMETER}}}}}",
    )


def test_the_database_is_closed_encrypted_and_kept(assembly: Assembly, stage: str) -> None:
    (database,) = assembly.data.of_type("AWS::RDS::DBInstance")
    assert (database["StorageEncrypted"], database["PubliclyAccessible"]) == (True, False)
    assert database["BackupRetentionPeriod"] >= 3
    assert (database.get("DeletionProtection", False), database["MultiAZ"]) == (
        (True, True) if stage == "production" else (False, False)
    )


def test_the_control_plane_has_the_environment_that_it_reads(assembly: Assembly, stage: str) -> None:
    tasks = assembly.compute.of_type("AWS::ECS::TaskDefinition")
    assert len(tasks) == 2, "the service and the migration"
    for task in tasks:
        (container,) = task["ContainerDefinitions"]
        environment = {one["Name"]: one["Value"] for one in container["Environment"]}
        secrets = {one["Name"]: text_of(one["ValueFrom"]) for one in container["Secrets"]}
        assert (environment["STAGE"], environment["CLOUD"]) == (stage, "aws")
        assert environment["COMFYUI_MODELS_DISK"] == "comfyui_models"
        assert environment["WORKER_IDENTITY_CHECK"] == "off"
        assert {"AWS_ACCOUNT_ID", "AWS_IDENTITY_CERTIFICATES"} <= environment.keys()
        assert environment["COMFYUI_LOGS_DISK"] == "comfyui_logs"
        assert {"AWS_BUCKET", "COMFYUI_MODELS_BUCKET", "COMFYUI_LOGS_BUCKET"} <= environment.keys()
        assert names.fleet_secret_parameter(stage)[1:] in secrets["COMFYUI_FLEET_SECRET"]
        assert names.app_key_parameter(stage)[1:] in secrets["APP_KEY"]
        assert "DATABASE_PASSWORD" in secrets
        assert container["ReadonlyRootFilesystem"] is True
        assert container["User"] == "10001"
    commands = [task["ContainerDefinitions"][0]["Command"][0] for task in tasks]
    assert sorted(commands) == ["migrate", "serve"]


def test_a_first_deploy_ends_though_its_secrets_are_placeholders(assembly: Assembly) -> None:
    commands = [
        one["ContainerDefinitions"][0]["Command"] for one in assembly.compute.of_type("AWS::ECS::TaskDefinition")
    ]
    assert next(one for one in commands if one[0] == "serve")[-1] == "--wait-for-secrets"


def test_the_control_plane_is_behind_a_balancer_that_looks_after_it(assembly: Assembly) -> None:
    (target,) = assembly.compute.of_type("AWS::ElasticLoadBalancingV2::TargetGroup")
    (service,) = assembly.compute.of_type("AWS::ECS::Service")
    assert target["HealthCheckPath"] == "/healthz"
    assert service["DeploymentConfiguration"]["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert service["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "DISABLED"


def test_a_machine_boots_the_image_of_its_parameter(assembly: Assembly, stage: str) -> None:
    template = assembly.gpu.only(
        "AWS::EC2::LaunchTemplate", LaunchTemplateName=names.launch_template_name(stage, FLEET)
    )["LaunchTemplateData"]
    assert template["ImageId"] == f"resolve:ssm:{names.image_parameter(stage, FLEET)}"
    assert template["MetadataOptions"]["HttpTokens"] == "required"
    assert template["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
    (disk,) = template["BlockDeviceMappings"]
    assert (disk["Ebs"]["Encrypted"], disk["Ebs"]["VolumeType"]) == (True, "gp3")


def test_user_data_tells_values_and_no_secret(assembly: Assembly, stage: str) -> None:
    (template,) = assembly.gpu.of_type("AWS::EC2::LaunchTemplate")
    told = text_of(template["LaunchTemplateData"]["UserData"])
    assert told.count("FLEET_SLUG=") == 1
    for value in (f"STAGE={stage}", f"FLEET_SLUG={FLEET}", f"ASG_NAME=asg-{stage}-{FLEET}", "API_BASE_URL="):
        assert value in told
    assert "SECRET" not in told.upper().replace("@VALUES@", "")
    assert "@VALUES@" not in told


def test_machines_find_the_log_group_that_they_write_to(assembly: Assembly, stage: str) -> None:
    assert assembly.gpu.only("AWS::Logs::LogGroup", LogGroupName=f"/comfyfleet/{stage}/{FLEET}")


def test_a_group_goes_from_zero_over_spot_machines_of_several_types(assembly: Assembly, stage: str) -> None:
    group = assembly.gpu.only("AWS::AutoScaling::AutoScalingGroup", AutoScalingGroupName=f"asg-{stage}-{FLEET}")
    policy = group["MixedInstancesPolicy"]
    assert group["MinSize"] == "0"
    assert int(group["MaxSize"]) >= 1
    assert group["CapacityRebalance"] is True
    assert policy["InstancesDistribution"]["SpotAllocationStrategy"] == "price-capacity-optimized"
    assert policy["InstancesDistribution"]["OnDemandPercentageAboveBaseCapacity"] == 0
    assert len(policy["LaunchTemplate"]["Overrides"]) > 1
    tags = {one["Key"]: (one["Value"], one["PropagateAtLaunch"]) for one in group["Tags"]}
    assert tags[names.FLEET_TAG] == (FLEET, True)


def test_a_machine_that_is_to_go_may_end_its_job(assembly: Assembly) -> None:
    hook = assembly.gpu.only("AWS::AutoScaling::LifecycleHook", LifecycleHookName=names.TERMINATION_HOOK)
    assert hook["LifecycleTransition"] == "autoscaling:EC2_INSTANCE_TERMINATING"
    assert hook["DefaultResult"] == "CONTINUE"


def test_jobs_that_wait_for_a_first_worker_wake_the_fleet(assembly: Assembly, stage: str) -> None:
    alarm = assembly.gpu.only("AWS::CloudWatch::Alarm", AlarmName=f"{stage}-{FLEET}-queue-has-jobs")
    told = [one["MetricStat"]["Metric"] for one in alarm["Metrics"] if "MetricStat" in one]
    assert {one["MetricName"] for one in told} == {names.Metric.QUEUE_DEPTH, names.Metric.ACTIVE_WORKERS}
    assert {one["Namespace"] for one in told} == {"ComfyUI/Workers"}
    assert all(one["Dimensions"] == [{"Name": "FleetSlug", "Value": FLEET}] for one in told)
    assert alarm["TreatMissingData"] == "notBreaching"
    assert len(alarm["AlarmActions"]) == 1
    assert assembly.gpu.only("AWS::AutoScaling::ScalingPolicy", PolicyType="StepScaling")["StepAdjustments"] == [
        {"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}
    ]


def test_fifteen_empty_minutes_lead_to_the_function_that_goes_to_zero(assembly: Assembly, stage: str) -> None:
    alarm = assembly.gpu.only("AWS::CloudWatch::Alarm", AlarmName=f"{stage}-{FLEET}-queue-empty")
    assert (alarm["MetricName"], alarm["Period"], alarm["EvaluationPeriods"]) == ("QueueDepth", 60, 15)
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)
    assert "ToZero" in text_of(alarm["AlarmActions"])
    permission = assembly.gpu.only("AWS::Lambda::Permission", Principal="lambda.alarms.cloudwatch.amazonaws.com")
    assert "ToZero" in text_of(permission["FunctionName"])


def test_the_fleet_grows_by_its_backlog(assembly: Assembly) -> None:
    policy = assembly.gpu.only("AWS::AutoScaling::ScalingPolicy", PolicyType="TargetTrackingScaling")
    metric = policy["TargetTrackingConfiguration"]["CustomizedMetricSpecification"]
    tracked = {one["Id"]: one["MetricStat"]["Metric"] for one in metric["Metrics"] if "MetricStat" in one}
    assert {one["Namespace"] for one in tracked.values()} == {"ComfyUI/Workers"}
    assert tracked["backlog"]["MetricName"] == "BacklogPerInstance"
    assert tracked["workers"]["MetricName"] == "ActiveWorkers"
    [wanted] = [one["Expression"] for one in metric["Metrics"] if "Expression" in one]
    assert wanted == "IF(workers > 1, backlog, IF(backlog > 2, backlog, 2))"


def test_who_changes_a_group_may_look_up_the_image_that_its_template_names(assembly: Assembly, stage: str) -> None:
    [policy] = [
        one["PolicyDocument"]["Statement"]
        for one in assembly.gpu.of_type("AWS::IAM::Policy")
        if "CapacityRole" in one["PolicyName"]
    ]
    [looked_up] = [one["Resource"] for one in policy if one["Action"] == "ssm:GetParameters"]
    assert looked_up.endswith(f":parameter{names.image_parameter(stage, FLEET)}")


def test_a_launch_that_fails_is_heard_of(assembly: Assembly, stage: str) -> None:
    rules = assembly.gpu.of_type("AWS::Events::Rule")
    patterns = [one["EventPattern"] for one in rules if "EventPattern" in one]
    assert [one["detail-type"] for one in patterns] == [["EC2 Instance Launch Unsuccessful"]]
    assert patterns[0]["detail"] == {"AutoScalingGroupName": [f"asg-{stage}-{FLEET}"]}


def test_the_checks_of_aws_solutions_find_nothing(assembly: Assembly) -> None:
    report = (assembly.folder / "validation-report.json").read_text()
    assert '"AwsSolutions' in report, "the checks ran"
    assert '"status": "failure"' not in report


def test_cfn_lint_finds_nothing(assembly: Assembly) -> None:
    templates = [str(one.path) for one in (assembly.data, assembly.compute, assembly.gpu)]
    linter = [
        str(Path(sys.executable).with_name("cfn-lint")),
        "--config-file",
        "infrastructure/.cfnlintrc",
        "--",
        *templates,
    ]
    result = subprocess.run(linter, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert result.returncode == 0, result.stdout + result.stderr
