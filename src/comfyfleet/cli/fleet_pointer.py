"""`comfyfleet fleets pointer` and `mend-pointer`: what machines are told of a fleet's bundle."""

import typer

from comfyfleet import names
from comfyfleet.cli.bundles import open_bundles
from comfyfleet.cli.errors import ExitCode
from comfyfleet.cli.fleet_bundles import Slug, Stage
from comfyfleet.cli.options import JsonFlag
from comfyfleet.cli.output import print_json, print_record
from comfyfleet.protocol.fleets import FleetPointerView


def pointer(context: typer.Context, slug: Slug, stage: Stage = names.LOCAL_STAGE, as_json: JsonFlag = False) -> None:
    """Compare what the database and the parameter say of a fleet's bundle. Ends with 1 when they differ."""
    with open_bundles(context) as plane:
        view = plane.pointer(stage, slug)
    _tell(view, as_json=as_json)
    if not view.agrees:
        raise typer.Exit(ExitCode.FAILED)


def mend_pointer(
    context: typer.Context, slug: Slug, stage: Stage = names.LOCAL_STAGE, as_json: JsonFlag = False
) -> None:
    """Write the parameter of a fleet again, by what the database says."""
    with open_bundles(context) as plane:
        view = plane.mend_pointer(stage, slug)
    _tell(view, as_json=as_json)
    if not view.agrees:
        raise typer.Exit(ExitCode.FAILED)


def _tell(view: FleetPointerView, *, as_json: bool) -> None:
    if as_json:
        print_json(view)
        return
    print_record(
        [
            ("fleet", view.fleet),
            ("parameter", view.parameter),
            ("database", view.wanted),
            ("machines are told", view.found or "nothing, there is no parameter"),
            ("they agree", "yes" if view.agrees else "no: mend it with comfyfleet fleets mend-pointer"),
            ("written", view.written_at or "never"),
            ("problem", view.problem or "none"),
        ]
    )
