"""`comfyfleet fleets activate, deactivate, coverage, history`: which bundle a fleet points to."""

from typing import Annotated

import typer

from comfyfleet import names
from comfyfleet.cli.bundle_tables import name_of, show_needs
from comfyfleet.cli.bundles import open_bundles
from comfyfleet.cli.errors import ExitCode
from comfyfleet.cli.options import JsonFlag, Limit, YesFlag, confirm
from comfyfleet.cli.output import print_json, print_record, print_table, say
from comfyfleet.client.errors import Refused
from comfyfleet.protocol.bundles import PointerView

Stage = Annotated[str, typer.Option("--stage", help="Stage of the fleet.")]
Slug = Annotated[str, typer.Argument(metavar="FLEET", help="Slug of the fleet.")]
OneBundle = Annotated[str, typer.Argument(metavar="BUNDLE", help="Its name (the newest), name@version, or id.")]


def activate(
    context: typer.Context,
    slug: Slug,
    bundle: OneBundle,
    stage: Stage = names.LOCAL_STAGE,
    yes: YesFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Point a fleet to a bundle. What its workflows need and the bundle lacks is told first; --yes accepts it."""
    with open_bundles(context) as plane:
        bundle_id = plane.bundle(bundle).bundle_id
        try:
            view = plane.activate(stage, slug, bundle_id)
        except Refused as error:
            if error.code != "coverage_incomplete":
                raise
            coverage = plane.coverage(stage, slug, bundle_id)
            say(f"{name_of(coverage.bundle)} lacks what the workflows of {stage}/{slug} need:")
            for line in coverage.lacking:
                say(f"  {line}")
            confirm("Activate it nevertheless?", yes=yes)
            view = plane.activate(stage, slug, bundle_id, accept_missing=True)
    _tell(view, as_json=as_json)


def deactivate(
    context: typer.Context,
    slug: Slug,
    stage: Stage = names.LOCAL_STAGE,
    yes: YesFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Point a fleet to no bundle: machines that boot from now on install none."""
    confirm(f"Take the active bundle from fleet {stage}/{slug}?", yes=yes)
    with open_bundles(context) as plane:
        view = plane.activate(stage, slug, None)
    _tell(view, as_json=as_json)


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


def _tell(view: PointerView, *, as_json: bool) -> None:
    if as_json:
        print_json(view)
        return
    verb = "now points" if view.changed else "pointed already"
    target = "no bundle" if view.bundle is None else f"{name_of(view.bundle)} ({view.prefix})"
    say(f"Fleet {view.fleet} {verb} to {target}.")


def _accepted(lines: list[str]) -> str:
    return "; ".join(lines) or "-"
