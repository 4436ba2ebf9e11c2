"""`comfyfleet effects all, order, activate, deactivate, preview, delete`."""

import mimetypes
from pathlib import Path
from typing import Annotated

import typer

from comfyfleet.cli.options import JsonFlag, YesFlag, confirm
from comfyfleet.cli.output import print_json, print_table, say
from comfyfleet.cli.session import find_connection, settings_of
from comfyfleet.cli.values import existing_file
from comfyfleet.client.effects import EffectPlane

Slug = Annotated[str, typer.Argument(help="Slug of the effect.")]


def open_effects(context: typer.Context) -> EffectPlane:
    """Return a client of effects for the server that the settings name, or that runs on this machine."""
    return EffectPlane(find_connection(settings_of(context)))


def list_all(
    context: typer.Context,
    search: Annotated[str | None, typer.Option("--search", help="A part of slug or name.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="How many to list at most.")] = 50,
    offset: Annotated[int, typer.Option("--offset", min=0, help="How many to leave out.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """List all effects, active or not, in the catalogue's order (administrators)."""
    with open_effects(context) as plane:
        page = plane.all_effects(q=search, limit=limit, offset=offset)
    if as_json:
        print_json(page)
        return
    rows = [(one.slug, one.name, one.workflow, one.credits_cost, one.is_active, one.run_count) for one in page.items]
    print_table(("SLUG", "NAME", "WORKFLOW", "CREDITS", "ACTIVE", "RUNS"), rows, empty="There are no effects.")


def order(
    context: typer.Context,
    slugs: Annotated[list[str], typer.Argument(help="The effects that come first, in this order.")],
) -> None:
    """Put effects first in the catalogue (administrators)."""
    with open_effects(context) as plane:
        plane.order_effects(slugs)
    say(f"The catalogue begins with: {', '.join(slugs)}.")


def activate(context: typer.Context, slug: Slug) -> None:
    """Put an effect into the catalogue (administrators)."""
    with open_effects(context) as plane:
        plane.set_effect_active(slug, is_active=True)
    say(f"'{slug}' is in the catalogue.")


def deactivate(context: typer.Context, slug: Slug) -> None:
    """Take an effect out of the catalogue; jobs that were submitted go on (administrators)."""
    with open_effects(context) as plane:
        plane.set_effect_active(slug, is_active=False)
    say(f"'{slug}' is out of the catalogue.")


def preview(
    context: typer.Context,
    slug: Slug,
    file: Annotated[Path, typer.Argument(help="A picture or a clip that shows what it does.")],
) -> None:
    """Show an effect by a picture or a clip (administrators)."""
    content_type = mimetypes.guess_type(existing_file(file).name)[0] or "application/octet-stream"
    with open_effects(context) as plane:
        plane.set_preview(slug, file, content_type)
    say(f"'{slug}' is shown by {file.name}.")


def delete(context: typer.Context, slug: Slug, yes: YesFlag = False) -> None:
    """Delete an effect that no job was made with (administrators)."""
    confirm(f"Delete the effect '{slug}'?", yes=yes)
    with open_effects(context) as plane:
        plane.delete_effect(slug)
    say(f"Effect '{slug}' was deleted.")
