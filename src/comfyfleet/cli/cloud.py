"""From a command's context to the cloud that it acts in: the one place where AWS's adapters are put together."""

from typing import Annotated, Final, Protocol

import typer

from comfyfleet import names
from comfyfleet.cli.session import settings_of
from comfyfleet.cli.settings import CliSettings
from comfyfleet.ops.tools import Cloud

CLOUDS: Final = "comfyfleet.clouds"
"""Where the root command leaves the clouds of a program that runs these commands in its own process."""

DEFAULT_STAGE: Final = "staging"

CloudStage = Annotated[str, typer.Option("--stage", help="Stage of the fleet, such as staging.")]
Region = Annotated[
    str | None, typer.Option("--region", metavar="REGION", help="AWS region; else AWS_REGION, or the profile's.")
]
Bucket = Annotated[
    str | None, typer.Option("--models-bucket", metavar="BUCKET", help="Else the stage's parameter names it.")
]
Types = Annotated[
    list[str] | None, typer.Option("--type", metavar="TYPE", help="Machine types to try in turn; repeatable.")
]
Subnet = Annotated[
    str | None, typer.Option("--subnet", metavar="SUBNET", help="Else the first one of the fleet's group.")
]
Profile = Annotated[
    str | None,
    typer.Option("--instance-profile", metavar="NAME", help="In place of the fleet's launch template."),
]


class Clouds(Protocol):
    """Gives the cloud of a stage. A simulator's stands in for AWS when it is given as Click's `obj`."""

    def __call__(self, settings: CliSettings, stage: str, region: str | None) -> Cloud:
        """Return the cloud; commands' outputs go to the stage's logs bucket."""
        ...


def open_cloud(context: typer.Context, stage: str, region: str | None = None) -> Cloud:
    """Return the cloud that a command acts in."""
    clouds: Clouds = context.find_root().meta.get(CLOUDS) or _aws
    return clouds(settings_of(context), stage, region)


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


def _aws(settings: CliSettings, stage: str, region: str | None) -> Cloud:
    return aws_cloud(stage, region, settings.name_prefix)
