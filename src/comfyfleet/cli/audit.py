"""`comfyfleet audit`: list."""

import shlex
from typing import Annotated

import typer

from comfyfleet.cli.options import Before, JsonFlag, Limit, say_more
from comfyfleet.cli.output import print_json, print_table
from comfyfleet.cli.session import find_connection, settings_of
from comfyfleet.client.library import LibraryPlane
from comfyfleet.protocol.library import AuditEntryView

app = typer.Typer(no_args_is_help=True, help="What administrators did (administrators).")


@app.command("list")
def list_acts(
    context: typer.Context,
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="Only acts that hold this anywhere, such as a name.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", help="Only what was done to this, such as an asset's digest.")
    ] = None,
    action: Annotated[
        str | None, typer.Option("--action", help="Only acts that begin so, such as `job.` or `user.role`.")
    ] = None,
    actor: Annotated[str | None, typer.Option("--actor", help="Only what this person or key did.")] = None,
    before: Before = None,
    limit: Limit = 50,
    as_json: JsonFlag = False,
) -> None:
    """List what administrators did, the newest first."""
    with LibraryPlane(find_connection(settings_of(context))) as plane:
        page = plane.audit(text, subject=subject, action=action, actor=actor, before=before, limit=limit)
    if as_json:
        print_json(page)
        return
    rows = [(entry.at, entry.actor, entry.action, entry.subject, _detail(entry)) for entry in page.items]
    print_table(("AT", "WHO", "ACT", "SUBJECT", "DETAIL"), rows, empty="Nothing of that kind was done yet.")
    filters = (("--subject", subject), ("--action", action), ("--actor", actor))
    said = [f"{option} {shlex.quote(value)}" for option, value in filters if value]
    say_more(" ".join(["comfyfleet audit list", *([shlex.quote(text)] if text else []), *said]), page.next_before)


def _detail(entry: AuditEntryView) -> str:
    return ", ".join(f"{name} {value}" for name, value in entry.detail.items() if isinstance(value, str | int))
