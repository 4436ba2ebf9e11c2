"""`comfyfleet audit`: list."""

from typing import Annotated

import typer

from comfyfleet.cli.options import Before, JsonFlag, Limit, say_more
from comfyfleet.cli.output import print_json, print_table
from comfyfleet.cli.session import find_connection, settings_of
from comfyfleet.client.library import LibraryPlane

app = typer.Typer(no_args_is_help=True, help="What administrators did (administrators).")


@app.command("list")
def list_acts(
    context: typer.Context,
    subject: Annotated[
        str | None, typer.Option("--subject", help="Only what was done to this, such as an asset's digest.")
    ] = None,
    before: Before = None,
    limit: Limit = 50,
    as_json: JsonFlag = False,
) -> None:
    """List what administrators did, the newest first."""
    with LibraryPlane(find_connection(settings_of(context))) as plane:
        page = plane.audit(subject=subject, before=before, limit=limit)
    if as_json:
        print_json(page)
        return
    rows = [
        (entry.at, entry.actor, entry.action, entry.subject, entry.detail.get("filename") or "") for entry in page.items
    ]
    print_table(("AT", "WHO", "ACT", "SUBJECT", "NAME"), rows, empty="Nothing was done yet.")
    say_more(" ".join(["comfyfleet audit list", *([f"--subject {subject}"] if subject else [])]), page.next_before)
