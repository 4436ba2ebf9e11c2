"""`comfyfleet fleets machines`: what the cloud says of a fleet's group, image and alarms."""

import typer

from comfyfleet import names
from comfyfleet.cli.bundles import open_bundles
from comfyfleet.cli.errors import ExitCode
from comfyfleet.cli.fleet_bundles import Slug, Stage
from comfyfleet.cli.options import JsonFlag
from comfyfleet.cli.output import print_json, print_record, print_table
from comfyfleet.protocol.fleets import FleetMachinesView


def machines(context: typer.Context, slug: Slug, stage: Stage = names.LOCAL_STAGE, as_json: JsonFlag = False) -> None:
    """Show what the cloud says of a fleet: its group and machines, its image, its alarms. Ends with 1 if it cannot."""
    with open_bundles(context) as plane:
        view = plane.machines(stage, slug)
    if as_json:
        print_json(view)
    else:
        _tell(view)
    if view.problem:
        raise typer.Exit(ExitCode.FAILED)


def _tell(view: FleetMachinesView) -> None:
    size = f"{view.desired} of {view.minimum} to {view.maximum}" if view.exists else "there is none: deploy the stacks"
    print_record(
        [
            ("group", view.group),
            ("machines wanted", "not known" if view.problem else size),
            ("image", view.image or f"no parameter {view.image_parameter}"),
            *((alarm.name, alarm.state) for alarm in view.alarms),
            ("problem", view.problem or "none"),
        ]
    )
    rows = [
        (one.instance_id, one.instance_type, one.lifecycle, one.health, "yes" if one.is_protected else "no")
        for one in view.members
    ]
    if rows:
        print_table(("MACHINE", "TYPE", "STATE", "HEALTH", "PROTECTED"), rows, empty="")
