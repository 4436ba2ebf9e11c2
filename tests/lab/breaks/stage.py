"""A stage in the lab, as its stacks make it: buckets, parameters, a launch template, and a group with its hook."""

import base64
import json
import secrets
from typing import Final

from lab.deploy.tasks import Task
from lab.lab import Lab
from lab.runbook.site import DATABASE_PIECES
from tests.lab.breaks.disk import MACHINE

from comfyfleet import names
from comfyfleet.cloud.fleet_ports import ParameterKind
from comfyfleet.ops.tools import Cloud

STAGE: Final = "staging"
FLEET: Final = names.DEFAULT_FLEET
GROUP: Final = names.group_name(STAGE, FLEET)
IMAGE_PARAMETER: Final = names.image_parameter(STAGE, FLEET)
SECRET_PARAMETER: Final = names.fleet_secret_parameter(STAGE)
MODELS_BUCKET: Final = names.models_bucket("123456789012", STAGE)

_HEARTBEAT_SECONDS: Final = 2
_DRAIN_SECONDS: Final = 3600
_ROLE: Final = "machines"
_TRUST: Final = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def make_store(lab: Lab) -> None:
    """Make the buckets, and the parameters but for the image's."""
    for bucket in (MODELS_BUCKET, names.media_bucket(lab.account, STAGE), names.logs_bucket(lab.account, STAGE)):
        lab.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": lab.region})
    values = {
        names.models_bucket_parameter(STAGE): MODELS_BUCKET,
        names.active_bundle_parameter(STAGE, FLEET): names.NO_BUNDLE,
        SECRET_PARAMETER: secrets.token_hex(32),
        names.app_key_parameter(STAGE): secrets.token_hex(32),
    }
    for name, value in values.items():
        lab.client("ssm").put_parameter(Name=name, Value=value, Type="String")


def task_of(lab: Lab) -> Task:
    """Return what the compute stack gives the control plane, but for a database."""
    given = {
        "STAGE": STAGE,
        "CLOUD": "aws",
        "WORKER_IDENTITY_CHECK": "group",
        "AWS_ACCOUNT_ID": lab.account,
        "AWS_BUCKET": names.media_bucket(lab.account, STAGE),
        "COMFYUI_MODELS_BUCKET": MODELS_BUCKET,
        "COMFYUI_LOGS_BUCKET": names.logs_bucket(lab.account, STAGE),
        "APP_KEY": lab.parameter(names.app_key_parameter(STAGE)),
        "COMFYUI_FLEET_SECRET": lab.parameter(SECRET_PARAMETER),
    }
    return Task(("serve",), given, DATABASE_PIECES)


def make_group(lab: Lab, cloud: Cloud, image_id: str, site_url: str) -> None:
    """Make an empty group of spot machines; they are of the image that the fleet's parameter holds."""
    cloud.parameters.put(IMAGE_PARAMETER, image_id, kind=ParameterKind.IMAGE)
    iam = lab.client("iam")
    iam.create_role(RoleName=_ROLE, AssumeRolePolicyDocument=json.dumps(_TRUST))
    profile = iam.create_instance_profile(InstanceProfileName=_ROLE)["InstanceProfile"]
    iam.add_role_to_instance_profile(InstanceProfileName=_ROLE, RoleName=_ROLE)
    lab.client("ec2").create_launch_template(
        LaunchTemplateName=names.launch_template_name(STAGE, FLEET),
        LaunchTemplateData={
            "ImageId": f"resolve:ssm:{IMAGE_PARAMETER}",
            "InstanceType": "g5.xlarge",
            "IamInstanceProfile": {"Arn": profile["Arn"]},
            "InstanceMarketOptions": {"MarketType": "spot"},
            "UserData": base64.b64encode(_user_data(lab, site_url).encode()).decode(),
        },
    )
    scaling = lab.client("autoscaling")
    tags = {names.FLEET_TAG: FLEET, names.STAGE_TAG: STAGE, names.ROLE_TAG: names.FLEET_ROLE}
    scaling.create_auto_scaling_group(
        AutoScalingGroupName=GROUP,
        MinSize=0,
        MaxSize=4,
        DesiredCapacity=0,
        AvailabilityZones=[f"{lab.region}a"],
        LaunchTemplate={"LaunchTemplateName": names.launch_template_name(STAGE, FLEET), "Version": "$Latest"},
        Tags=[{"Key": name, "Value": value, "PropagateAtLaunch": True} for name, value in tags.items()],
    )
    scaling.put_lifecycle_hook(
        AutoScalingGroupName=GROUP,
        LifecycleHookName=names.TERMINATION_HOOK,
        LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
        HeartbeatTimeout=_DRAIN_SECONDS,
    )


def _user_data(lab: Lab, site_url: str) -> str:
    values = {
        "STAGE": STAGE,
        "FLEET_SLUG": FLEET,
        "NAME_PREFIX": names.DEFAULT_PREFIX,
        "API_BASE_URL": site_url,
        "ASG_NAME": GROUP,
        "AWS_DEFAULT_REGION": lab.region,
        "LOGS_BUCKET": names.logs_bucket(lab.account, STAGE),
        "HEARTBEAT_INTERVAL_SECONDS": str(_HEARTBEAT_SECONDS),
        "POLL_INTERVAL_SECONDS": "1",
    }
    lines = "\n".join(f"{name}={value}" for name, value in values.items())
    return (MACHINE / "user-data.sh").read_text().replace("@VALUES@", lines)
