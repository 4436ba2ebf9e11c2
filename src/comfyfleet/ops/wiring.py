"""The one place where a cloud of the verbs is put together of AWS's adapters."""

from comfyfleet import names
from comfyfleet.ops.tools import Cloud


def aws_cloud(stage: str, region: str | None, prefix: str) -> Cloud:
    """Return AWS as boto3 finds it: keys, roles and endpoints of the environment or the profile.

    Raises:
        AwsRefused: There are no credentials, or they do not work.
        AwsUnavailable: AWS does not answer, or no region is set.
    """
    # A tenth of a second and more, which commands without a cloud need not wait.
    from comfyfleet.cloud.aws.account import StsAccount  # noqa: PLC0415
    from comfyfleet.cloud.aws.clients import make_client  # noqa: PLC0415
    from comfyfleet.cloud.aws.commands import SsmCommands  # noqa: PLC0415
    from comfyfleet.cloud.aws.errors import service_errors  # noqa: PLC0415
    from comfyfleet.cloud.aws.figures import CloudWatchFigures  # noqa: PLC0415
    from comfyfleet.cloud.aws.gates import Ec2Gates  # noqa: PLC0415
    from comfyfleet.cloud.aws.groups import AutoScalingGroups  # noqa: PLC0415
    from comfyfleet.cloud.aws.images import Ec2Images  # noqa: PLC0415
    from comfyfleet.cloud.aws.machines import Ec2Machines  # noqa: PLC0415
    from comfyfleet.cloud.aws.parameters import SsmParameters  # noqa: PLC0415
    from comfyfleet.cloud.aws.rolls import InstanceRefreshes  # noqa: PLC0415
    from comfyfleet.cloud.aws.s3 import S3ObjectStore, make_s3_client  # noqa: PLC0415

    with service_errors("Connecting to AWS"):
        account = StsAccount(make_client("sts", region))
    identity = account.identity()
    ec2, ssm, scaling = (make_client(service, identity.region) for service in ("ec2", "ssm", "autoscaling"))
    s3 = make_s3_client(region=identity.region)
    return Cloud(
        account=account,
        parameters=SsmParameters(ssm),
        machines=Ec2Machines(ec2),
        images=Ec2Images(ec2),
        commands=SsmCommands(names.logs_bucket(identity.account, stage, prefix=prefix), ssm),
        groups=AutoScalingGroups(scaling),
        rolls=InstanceRefreshes(scaling),
        figures=CloudWatchFigures(make_client("cloudwatch", identity.region)),
        gates=Ec2Gates(ec2),
        bucket=lambda bucket: S3ObjectStore(bucket, s3),
        prefix=prefix,
    )
