"""`comfyfleet fleets rename, delete`."""

from typing import Annotated

import typer

from comfyfleet import names
from comfyfleet.cli.bundles import open_bundles
from comfyfleet.cli.fleet_bundles import Slug, Stage
from comfyfleet.cli.options import JsonFlag, YesFlag, confirm
from comfyfleet.cli.output import print_json, say


def rename(
    context: typer.Context,
    slug: Slug,
    name: Annotated[str, typer.Argument(help="Its new name for people.")],
    stage: Stage = names.LOCAL_STAGE,
    as_json: JsonFlag = False,
) -> None:
    """Change a fleet's name for people; slug and stage are fixed."""
    with open_bundles(context) as plane:
        view = plane.rename_fleet(stage, slug, name)
    if as_json:
        print_json(view)
    else:
        say(f"Fleet {stage}/{slug} is called '{view.name}' now.")


def delete(context: typer.Context, slug: Slug, stage: Stage = names.LOCAL_STAGE, yes: YesFlag = False) -> None:
    """Delete a fleet that never had a worker or a job."""
    confirm(f"Delete the fleet {stage}/{slug}?", yes=yes)
    with open_bundles(context) as plane:
        plane.delete_fleet(stage, slug)
    say(f"Fleet {stage}/{slug} was deleted.")
