"""`comfyfleet fleets`: list, create, assign, which bundle each points to, how each stood, and its machines' image."""

from typing import Annotated

import typer

from comfyfleet import names
from comfyfleet.cli import (
    fleet_activation,
    fleet_bake,
    fleet_bundles,
    fleet_machines,
    fleet_names,
    fleet_pointer,
    fleet_roll,
    fleet_workflows,
    metrics,
)
from comfyfleet.cli.errors import UsageProblem
from comfyfleet.cli.fleet_bundles import Slug, Stage
from comfyfleet.cli.options import JsonFlag, examples
from comfyfleet.cli.output import print_json, print_table, say
from comfyfleet.cli.requests import make
from comfyfleet.cli.session import open_plane
from comfyfleet.cli.verbs import DryRun, agreed
from comfyfleet.client.api import ControlPlane
from comfyfleet.ops.tools import Plan
from comfyfleet.protocol.api import NewFleet

app = typer.Typer(no_args_is_help=True, help="Fleets of machines, their workflows and their bundle (administrators).")

app.command(
    "activate",
    epilog=examples(
        "comfyfleet fleets activate gpu-default sdxl", "comfyfleet fleets activate gpu-default sdxl@3 --yes"
    ),
)(fleet_activation.activate)
app.command(
    "assign",
    epilog=examples(
        "comfyfleet fleets assign gpu-default my-flow --keep", "comfyfleet fleets assign gpu a b --dry-run"
    ),
)(fleet_workflows.assign)
app.command("deactivate")(fleet_activation.deactivate)
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
    dry_run: DryRun = False,
    as_json: JsonFlag = False,
) -> None:
    """Make a fleet. Nobody feels it until workflows are assigned to it, so nothing is asked."""
    fleet = make(NewFleet, slug=slug, stage=stage, name=name)
    with open_plane(context) as plane:
        if dry_run:
            agreed(_creation(plane, fleet), dry_run=True, yes=True, as_json=as_json)
            return
        view = plane.create_fleet(fleet)
    if as_json:
        print_json(view)
    else:
        say(f"Fleet '{view.slug}' of stage '{view.stage}' was made.")


def _creation(plane: ControlPlane, fleet: NewFleet) -> Plan:
    """Return what would be made; raise `UsageProblem` for a fleet that there is."""
    if any((one.stage, one.slug) == (fleet.stage, fleet.slug) for one in plane.fleets()):
        raise UsageProblem(f"There is a fleet '{fleet.slug}' of stage '{fleet.stage}' already.")
    group = names.group_name(fleet.stage, fleet.slug)
    steps = [f"Make it in the database. Its machines are those of the group {group}, which stacks make"]
    return Plan(title=f"Make the fleet {fleet.stage}/{fleet.slug}", steps=tuple(steps))
