"""`comfyfleet fleets coverage, history`: which bundle a fleet points to, and whether it is enough."""

from typing import Annotated

import typer

from comfyfleet import names
from comfyfleet.cli.bundle_tables import name_of, show_needs
from comfyfleet.cli.bundles import open_bundles
from comfyfleet.cli.errors import ExitCode
from comfyfleet.cli.options import JsonFlag, Limit
from comfyfleet.cli.output import print_json, print_record, print_table, say

Stage = Annotated[str, typer.Option("--stage", help="Stage of the fleet.")]
Slug = Annotated[str, typer.Argument(metavar="FLEET", help="Slug of the fleet.")]


def coverage(
    context: typer.Context,
    slug: Slug,
    stage: Stage = names.LOCAL_STAGE,
    bundle: Annotated[
        str | None, typer.Option("--bundle", metavar="BUNDLE", help="Look at this bundle, not at the active one.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="End with 1 when something lacks.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Say what the active bundle, or another one, lacks for the workflows of a fleet."""
    with open_bundles(context) as plane:
        view = plane.coverage(stage, slug, bundle)
    if as_json:
        print_json(view)
    else:
        workflows = " ".join(view.workflows) or "none"
        print_record([("fleet", view.fleet), ("bundle", name_of(view.bundle)), ("workflows", workflows)])
        typer.echo()
        show_needs(view.models, view.packages)
        say(f"Lacking: {len(view.lacking)} of these." if view.lacking else "The bundle has all that they need.")
    if check and view.lacking:
        raise typer.Exit(ExitCode.FAILED)


def history(
    context: typer.Context,
    slug: Slug,
    stage: Stage = names.LOCAL_STAGE,
    limit: Limit = 20,
    as_json: JsonFlag = False,
) -> None:
    """List what a fleet pointed to, newest first, by whom, and what was missing and accepted."""
    with open_bundles(context) as plane:
        lines = plane.activations(stage, slug, limit=limit)
    if as_json:
        print_json(lines)
        return
    rows = [
        (line.at, line.bundle or "none", line.bundle_id, line.by, _accepted(line.accepted_missing)) for line in lines
    ]
    print_table(("AT", "BUNDLE", "ID", "BY", "ACCEPTED AS MISSING"), rows, empty="It never pointed to a bundle.")


def _accepted(lines: list[str]) -> str:
    return "; ".join(lines) or "-"
