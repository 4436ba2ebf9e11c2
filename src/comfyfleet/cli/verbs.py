"""How an operator's verb is shown, agreed to and told: the plan first, then what happens, then the receipt."""

import json
from typing import Annotated

import typer

from comfyfleet.cli.options import confirm
from comfyfleet.cli.output import printable, say
from comfyfleet.ops.tools import Plan, document

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan, and change nothing.")]


class VerbReporter:
    """Tells steps on stderr, and what machines print on stdout, or on stderr too where stdout is for JSON."""

    def __init__(self, *, as_json: bool) -> None:
        self._is_quiet = as_json
        self._rest = ""

    def step(self, words: str) -> None:
        """Say that something begins."""
        self.flush()
        say(f"{words} …")

    def output(self, text: str) -> None:
        """Print whole lines; the rest waits for its end."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            typer.echo(printable(line), err=self._is_quiet)

    def flush(self) -> None:
        """Print a line that has no end yet."""
        if self._rest:
            self.output("\n")


def agreed(plan: Plan, *, dry_run: bool, yes: bool, as_json: bool) -> bool:
    """Show a plan; return whether it shall be carried out, as a person is asked unless `yes`. No ends the command."""
    if dry_run and as_json:
        print_document(plan)
        return False
    say(plan.title)
    for step in plan.steps:
        say(f"  - {step}")
    for warning in plan.warnings:
        say(f"  ! {warning}")
    if dry_run:
        say("Nothing was changed: this was a dry run.")
        return False
    confirm("Go on?", yes=yes)
    return True


def print_document(told: object) -> None:
    """Print a plan or a receipt as one JSON document, without what is not for eyes, such as a machine's user data."""
    typer.echo(json.dumps(document(told), indent=2, ensure_ascii=False))
