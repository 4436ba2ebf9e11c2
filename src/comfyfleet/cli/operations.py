"""`comfyfleet operations`: what the control plane carries out for operators."""

import time
from typing import Annotated, Final

import typer

from comfyfleet.cli.errors import ExitCode
from comfyfleet.cli.options import Before, JsonFlag, Limit, YesFlag, confirm, examples, say_more
from comfyfleet.cli.output import print_json, print_record, print_table, printable, say
from comfyfleet.cli.session import find_connection, settings_of
from comfyfleet.client.operations import OperationsPlane
from comfyfleet.core.operations import LineKind, OperationStatus
from comfyfleet.protocol.operations import OperationLineView, OperationView

app = typer.Typer(
    no_args_is_help=True, help="Dev nodes, applies, bakes and rolls that were begun on pages (administrators)."
)

OperationId = Annotated[int, typer.Argument(metavar="OPERATION", min=1, help="Its number.")]

_PAUSE_SECONDS: Final = 2


@app.command("list", epilog=examples("comfyfleet operations list --fleet staging/gpu-default"))
def list_operations(
    context: typer.Context,
    fleet: Annotated[str | None, typer.Option("--fleet", metavar="STAGE/FLEET", help="Only those of a fleet.")] = None,
    before: Before = None,
    limit: Limit = 50,
    as_json: JsonFlag = False,
) -> None:
    """List operations, the newest first."""
    with _open(context) as plane:
        page = plane.operations(fleet=fleet, before=before, limit=limit)
    if as_json:
        print_json(page)
        return
    rows = [(one.id, one.status, one.fleet, one.title, one.actor, one.started_at) for one in page.items]
    print_table(("ID", "STATUS", "FLEET", "WHAT", "BY", "BEGAN"), rows, empty="Nothing was begun on a page yet.")
    say_more("comfyfleet operations list" + (f" --fleet {fleet}" if fleet else ""), page.next_before)


@app.command("show")
def show(context: typer.Context, operation: OperationId, as_json: JsonFlag = False) -> None:
    """Show an operation: its plan, and how it ended."""
    with _open(context) as plane:
        found = plane.operation(operation)
    if as_json:
        print_json(found)
        return
    print_record(
        [
            ("what", found.title),
            ("fleet", found.fleet),
            ("status", found.status),
            ("by", found.actor),
            ("began", found.started_at),
            ("ended", found.ended_at),
            *[("plan", step) for step in found.steps],
            *[("warning", warning) for warning in found.warnings],
            ("outcome", found.outcome),
        ]
    )


@app.command("log", epilog=examples("comfyfleet operations log 7 --follow"))
def log(
    context: typer.Context,
    operation: OperationId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until it ends.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document a piece.")] = False,
) -> None:
    """Print what an operation said. With --follow, ends with 1 when it did not succeed."""
    with _open(context) as plane:
        last = _print_from(plane, operation, 0, as_json=as_json)
        found = plane.operation(operation)
        while follow and not found.status.is_over:
            time.sleep(_PAUSE_SECONDS)
            found = plane.operation(operation)
            last = _print_from(plane, operation, last, as_json=as_json)
    _tell_end(found)
    if follow and found.status is not OperationStatus.SUCCEEDED:
        raise typer.Exit(ExitCode.FAILED)


@app.command("cancel")
def cancel(context: typer.Context, operation: OperationId, yes: YesFlag = False, as_json: JsonFlag = False) -> None:
    """Ask an operation to end; it clears up first, and a roll that is not proved is taken back."""
    with _open(context) as plane:
        confirm(f"Cancel operation {operation}, '{plane.operation(operation).title}'?", yes=yes)
        found = plane.cancel_operation(operation)
    if as_json:
        print_json(found)
    else:
        say(f"Operation {operation} was asked to end. Follow it: comfyfleet operations log {operation} --follow")


def _open(context: typer.Context) -> OperationsPlane:
    return OperationsPlane(find_connection(settings_of(context)))


def _print_from(plane: OperationsPlane, operation: int, last: int, *, as_json: bool) -> int:
    """Print what was said after a piece; return the id of the last one."""
    while pieces := plane.operation_log(operation, after=last):
        for piece in pieces:
            _print_piece(piece, as_json=as_json)
        last = pieces[-1].id
    return last


def _print_piece(piece: OperationLineView, *, as_json: bool) -> None:
    if as_json:
        typer.echo(piece.model_dump_json())
    elif piece.kind is LineKind.STEP:
        say(f"{piece.at:%H:%M:%S} {piece.text} …")
    else:
        for line in piece.text.splitlines():
            typer.echo(printable(line))


def _tell_end(found: OperationView) -> None:
    if found.status.is_over:
        say(f"It {found.status}: {found.outcome}")
    else:
        say("It is still running.")
