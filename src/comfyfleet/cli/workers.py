"""`comfyfleet workers`: list, show, log, drain, activate, revoke, restore."""

import time
from typing import Annotated, Final

import typer

from comfyfleet.cli.options import JsonFlag, YesFlag, confirm, examples
from comfyfleet.cli.output import print_json, print_json_line, printable, say
from comfyfleet.cli.session import find_connection, settings_of
from comfyfleet.cli.worker_tables import log_text, show_worker, show_workers
from comfyfleet.client.workers import WorkerPlane
from comfyfleet.core.wording import count_text
from comfyfleet.core.workers import WorkerAct, WorkerStatus
from comfyfleet.protocol.workers import WorkerLogLineView

app = typer.Typer(no_args_is_help=True, help="Workers, the agents on machines (administrators).")

WorkerId = Annotated[str, typer.Argument(metavar="WORKER", help="The id of its machine; see `workers list`.")]
Status = Annotated[
    list[WorkerStatus] | None, typer.Option("--status", help="Only workers in this state; can be given several times.")
]

_HERE: Final = [status for status in WorkerStatus if status.is_here]
_PAUSE_SECONDS: Final = 2.0


@app.command("list", epilog=examples("comfyfleet workers list --status lost", "comfyfleet workers list -q g5.xlarge"))
def list_workers(
    context: typer.Context,
    text: Annotated[str | None, typer.Option("--search", "-q", help="Part of an id, a name or a type.")] = None,
    fleet: Annotated[str | None, typer.Option("--fleet", metavar="FLEET", help="A slug, or stage/slug.")] = None,
    status: Status = None,
    source: Annotated[str | None, typer.Option("--source", help="fleet, dev_node or local.")] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Also those that left, were lost or revoked.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="How many to list at most.")] = 50,
    offset: Annotated[int, typer.Option("--offset", min=0, help="How many to pass over.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """List the workers, last seen first, with the ComfyUI that each of them drives and its jobs."""
    statuses = status or ([] if everyone else _HERE)
    with _open(context) as plane:
        page = plane.workers(text=text, fleet=fleet, statuses=statuses, source=source, limit=limit, offset=offset)
    if as_json:
        print_json(page)
        return
    show_workers(page.items)
    if offset + len(page.items) < page.total:
        say(f"{len(page.items)} of {count_text(page.total, 'worker')}. More: --offset {offset + len(page.items)}")


@app.command("show")
def show(context: typer.Context, worker_id: WorkerId, as_json: JsonFlag = False) -> None:
    """Show a worker: its GPUs, its bundle, and its jobs."""
    with _open(context) as plane:
        worker = plane.worker(worker_id)
    if as_json:
        print_json(worker)
    else:
        show_worker(worker)


@app.command("log", epilog=examples("comfyfleet workers log i-0abc --follow"))
def log(
    context: typer.Context,
    worker_id: WorkerId,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many lines at most.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document a line.")] = False,
) -> None:
    """Print the last lines of a worker's own log. It tells them every ten seconds."""
    with _open(context) as plane:
        lines = plane.worker_log(worker_id, limit=limit)
        _print_lines(lines, as_json=as_json)
        if not lines and not follow:
            say("It has told nothing yet.")
        last = lines[-1].id if lines else 0
        while follow:
            time.sleep(_PAUSE_SECONDS)
            lines = plane.worker_log(worker_id, after=last, limit=1000)
            _print_lines(lines, as_json=as_json)
            last = lines[-1].id if lines else last


@app.command("drain")
def drain(context: typer.Context, worker_id: WorkerId, as_json: JsonFlag = False) -> None:
    """Let a worker finish the jobs that it has, and give it no more."""
    _act(context, worker_id, WorkerAct.DRAIN, as_json=as_json)


@app.command("activate")
def activate(context: typer.Context, worker_id: WorkerId, as_json: JsonFlag = False) -> None:
    """Let a worker that drains get jobs again."""
    _act(context, worker_id, WorkerAct.ACTIVATE, as_json=as_json)


@app.command("revoke")
def revoke(context: typer.Context, worker_id: WorkerId, yes: YesFlag = False, as_json: JsonFlag = False) -> None:
    """End a worker's token at once, put its jobs back, and keep it out until it is restored."""
    confirm(f"Revoke the worker '{worker_id}'? What it renders now is lost, and rendered again by another.", yes=yes)
    _act(context, worker_id, WorkerAct.REVOKE, as_json=as_json)


@app.command("restore")
def restore(context: typer.Context, worker_id: WorkerId, as_json: JsonFlag = False) -> None:
    """Let a revoked worker register again."""
    _act(context, worker_id, WorkerAct.RESTORE, as_json=as_json)


def _act(context: typer.Context, worker_id: str, act: WorkerAct, *, as_json: bool) -> None:
    with _open(context) as plane:
        worker = plane.act_on_worker(worker_id, act)
    if as_json:
        print_json(worker)
        return
    left = f", with {count_text(len(worker.jobs), 'job')} to finish" if worker.jobs and act is WorkerAct.DRAIN else ""
    say(f"The worker '{worker.worker_id}' is {worker.status}{left}.")


def _print_lines(lines: list[WorkerLogLineView], *, as_json: bool) -> None:
    for line in lines:
        if as_json:
            print_json_line(line)
        else:
            typer.echo(printable(log_text(line)))


def _open(context: typer.Context) -> WorkerPlane:
    return WorkerPlane(find_connection(settings_of(context)))
