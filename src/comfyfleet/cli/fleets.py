"""`comfyfleet fleets`: list, create, assign, which bundle each points to, how each stood, and its machines' image."""

from typing import Annotated

import typer

from comfyfleet import names
from comfyfleet.cli import fleet_bake, fleet_bundles, fleet_machines, fleet_names, fleet_pointer, fleet_roll, metrics
from comfyfleet.cli.errors import UsageProblem
from comfyfleet.cli.fleet_bundles import Slug, Stage
from comfyfleet.cli.options import JsonFlag, YesFlag, confirm, examples
from comfyfleet.cli.output import print_json, print_table, say
from comfyfleet.cli.requests import make
from comfyfleet.cli.session import open_plane
from comfyfleet.client.api import ControlPlane
from comfyfleet.protocol.api import FleetView, NewFleet

app = typer.Typer(no_args_is_help=True, help="Fleets of machines, their workflows and their bundle (administrators).")

app.command(
    "activate",
    epilog=examples(
        "comfyfleet fleets activate gpu-default sdxl", "comfyfleet fleets activate gpu-default sdxl@3 --yes"
    ),
)(fleet_bundles.activate)
app.command("deactivate")(fleet_bundles.deactivate)
app.command("coverage", epilog=examples("comfyfleet fleets coverage gpu-default --bundle sdxl"))(fleet_bundles.coverage)
app.command("pointer")(fleet_pointer.pointer)
app.command("mend-pointer")(fleet_pointer.mend_pointer)
app.command("machines", epilog=examples("comfyfleet fleets machines gpu-default --stage staging"))(
    fleet_machines.machines
)
app.command("history")(fleet_bundles.history)
app.command("metrics", epilog=examples("comfyfleet fleets metrics gpu-default --range 24h"))(metrics.metrics)
app.command("rename")(fleet_names.rename)
app.command("delete")(fleet_names.delete)
app.command("bake", epilog=examples("comfyfleet fleets bake gpu-default --stage staging --bundle sdxl@3 --dry-run"))(
    fleet_bake.bake
)
app.command(
    "roll", epilog=examples("comfyfleet fleets roll gpu-default --stage staging --test-workflow portrait -i face.png")
)(fleet_roll.roll)
app.command("rolls")(fleet_roll.rolls)


@app.command("list")
def list_fleets(context: typer.Context, as_json: JsonFlag = False) -> None:
    """List all fleets, what they serve and how much waits for them."""
    with open_plane(context) as plane:
        fleets = plane.fleets()
    if as_json:
        print_json(fleets)
        return
    rows = [
        (item.stage, item.slug, item.name, item.queue_depth, item.active_bundle, " ".join(item.workflows))
        for item in fleets
    ]
    print_table(("STAGE", "FLEET", "NAME", "QUEUE", "BUNDLE", "WORKFLOWS"), rows, empty="There are no fleets.")


@app.command("create")
def create_fleet(
    context: typer.Context,
    slug: Slug,
    stage: Stage = names.LOCAL_STAGE,
    name: Annotated[str, typer.Option(help="Its name for people.")] = "",
    as_json: JsonFlag = False,
) -> None:
    """Make a fleet."""
    fleet = make(NewFleet, slug=slug, stage=stage, name=name)
    with open_plane(context) as plane:
        view = plane.create_fleet(fleet)
    if as_json:
        print_json(view)
    else:
        say(f"Fleet '{view.slug}' of stage '{view.stage}' was made.")


@app.command("assign", epilog=examples("comfyfleet fleets assign gpu-default my-flow --keep"))
def assign(
    context: typer.Context,
    slug: Slug,
    workflows: Annotated[list[str], typer.Argument(help="Slugs of all workflows that it shall serve.")],
    stage: Stage = names.LOCAL_STAGE,
    keep: Annotated[bool, typer.Option("--keep", help="Keep those that it serves already.")] = False,
    yes: YesFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Say which workflows a fleet serves. What is not named is taken from it, unless --keep is given."""
    with open_plane(context) as plane:
        served = _fleet(plane, stage, slug).workflows
        wanted = list(dict.fromkeys([*served, *workflows] if keep else workflows))
        lost = [workflow for workflow in served if workflow not in wanted]
        if lost:
            confirm(f"Take {', '.join(lost)} from the fleet '{slug}'?", yes=yes)
        view = plane.assign_workflows(stage, slug, wanted)
    if as_json:
        print_json(view)
    else:
        say(f"Fleet '{view.slug}' serves: {', '.join(view.workflows)}.")


def _fleet(plane: ControlPlane, stage: str, slug: str) -> FleetView:
    fleets = plane.fleets()
    for fleet in fleets:
        if (fleet.stage, fleet.slug) == (stage, slug):
            return fleet
    known = ", ".join(f"{fleet.slug} ({fleet.stage})" for fleet in fleets) or "none"
    raise UsageProblem(f"There is no fleet '{slug}' of stage '{stage}'.", hint=f"The fleets are: {known}.")
