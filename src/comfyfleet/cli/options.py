"""Options that several commands share."""

from typing import Annotated

import typer
from rich.markup import escape

from comfyfleet.cli.output import say

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")]
YesFlag = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="How many to list at most.")]
Before = Annotated[
    int | None, typer.Option("--before", metavar="ID", help="List what is older than this; see the end of a page.")
]
Tenant = Annotated[
    str | None, typer.Option("--tenant", metavar="SLUG", help="For another tenant than your own (administrators).")
]


def examples(*commands: str) -> str:
    """Return the end of a command's help: one example a line."""
    return "\n\n".join(["[bold]Examples:[/bold]", *map(escape, commands)])


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone; end the command unless the answer is yes."""
    if yes:
        return
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:
        say("")
        say("Not confirmed, so nothing was changed. Pass --yes to skip the question.")
        raise typer.Exit(1) from None
    if not agreed:
        say("Nothing was changed.")
        raise typer.Exit(1)


def say_more(command: str, next_before: int | None) -> None:
    """Say how to see the next page, if there is one."""
    if next_before is not None:
        say(f"More: {command} --before {next_before}")
