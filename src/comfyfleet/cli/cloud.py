"""From a command's context to the cloud that it acts in."""

from typing import Annotated, Final, Protocol

import typer

from comfyfleet.cli.session import settings_of
from comfyfleet.cli.settings import CliSettings
from comfyfleet.ops.tools import Cloud
from comfyfleet.ops.wiring import aws_cloud

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


def _aws(settings: CliSettings, stage: str, region: str | None) -> Cloud:
    return aws_cloud(stage, region, settings.name_prefix)
