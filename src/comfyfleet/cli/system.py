"""`comfyfleet system`: how the control plane stands."""

from typing import Annotated

import typer

from comfyfleet.cli.options import JsonFlag
from comfyfleet.cli.output import print_json, print_record, print_table
from comfyfleet.cli.session import find_connection, settings_of
from comfyfleet.client.system import SystemPlane
from comfyfleet.protocol.system import SettingView


def system(
    context: typer.Context,
    changed: Annotated[bool, typer.Option("--changed", help="Only settings that are not the default.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Show the server's version, settings (no secrets) and the health of its database and storage."""
    with SystemPlane(find_connection(settings_of(context))) as plane:
        view = plane.system()
    if as_json:
        print_json(view)
    else:
        print_record([("version", view.version), ("stage", view.stage)])
        health = [
            ("ok" if one.is_ok else "FAILED", one.name, f"{one.milliseconds:.0f} ms", one.detail) for one in view.health
        ]
        print_table(("STATE", "WHAT", "TIME", "DETAIL"), health, empty="Nothing was checked.")
        rows = [
            (group.name, setting.variable, value_text(setting))
            for group in view.groups
            for setting in group.settings
            if not (changed and setting.is_default)
        ]
        print_table(("GROUP", "SETTING", "VALUE"), rows, empty="Every setting has its default.")
    if not all(one.is_ok for one in view.health):
        raise typer.Exit(1)


def value_text(setting: SettingView) -> str:
    """Return what may be told of a setting's value."""
    if setting.is_secret:
        return "(set)" if setting.is_set else "(not set)"
    return setting.value if setting.value is not None else "(not set)"
