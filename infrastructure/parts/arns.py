"""Names by which policies know what there is not yet."""

from aws_cdk import Stack
from constructs import Construct

from comfyfleet import names
from infrastructure.stages import FleetSettings, Stage


def group_arn(scope: Construct, stage: Stage, fleet: FleetSettings) -> str:
    """Return the name by which policies know a fleet's group, before there is one."""
    name = names.group_name(stage.name, fleet.slug)
    account, region = Stack.of(scope).account, stage.region
    return f"arn:aws:autoscaling:{region}:{account}:autoScalingGroup:*:autoScalingGroupName/{name}"


def parameter_arn(scope: Construct, name: str) -> str:
    """Return the ARN of a parameter of this stack's account and region."""
    stack = Stack.of(scope)
    return f"arn:aws:ssm:{stack.region}:{stack.account}:parameter{name}"


def objects_arn(bucket: str, prefix: str) -> str:
    """Return the ARN of a bucket's objects below a prefix, such as `assets/` or the empty one."""
    return f"arn:aws:s3:::{bucket}/{prefix}*"


def fleet_log_arn(scope: Construct, stage: Stage, fleet: FleetSettings) -> str:
    """Return the ARN of the log group that a fleet's machines write to, with all its streams."""
    return f"arn:aws:logs:{stage.region}:{Stack.of(scope).account}:log-group:{fleet_log(stage, fleet)}:*"


def fleet_log(stage: Stage, fleet: FleetSettings) -> str:
    """Return the name of the log group that a fleet's machines write to."""
    return f"/comfyfleet/{stage.name}/{fleet.slug}"
