"""`comfyfleet demo`: the sample clip through an effect, from upload to result, with nothing to set up."""

import os
import shutil
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from comfyfleet.cli.demo_server import DemoServer, await_workers, demo_server
from comfyfleet.cli.errors import ExitCode, UsageProblem
from comfyfleet.cli.options import JsonFlag
from comfyfleet.cli.output import print_json_line, printable, say
from comfyfleet.cli.rendering import Order, await_job, check_target, save_output, submit_order
from comfyfleet.cli.reporting import JsonReporter, LineReporter
from comfyfleet.cli.run import stop_job
from comfyfleet.cli.session import settings_of
from comfyfleet.cli.settings import CliSettings
from comfyfleet.cli.values import Inputs, read_inputs
from comfyfleet.cli.worker_tables import comfyui_name
from comfyfleet.client.workers import WorkerPlane
from comfyfleet.protocol.api import EffectView, JobView
from comfyfleet.protocol.workers import WorkerView
from comfyfleet.up.seed import sample_path

if TYPE_CHECKING:
    from comfyfleet.cli.demo_check import ClipReport

CAPTION_EFFECT: Final = "caption-video"
PLAIN_EFFECT: Final = "invert-video"


@dataclass(frozen=True)
class Outcome:
    """What a demo did."""

    effect: EffectView
    job: JobView
    comfyui: list[str]
    credits_before: int
    credits_after: int
    output: Path
    report: "ClipReport"
    missing_nodes: list[str]


def demo(
    context: typer.Context,
    data: Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Data folder of comfyfleet up.")] = None,
    comfyui_url: Annotated[
        str | None, typer.Option("--comfyui", metavar="URL", help="A ComfyUI that runs already.")
    ] = None,
    prompt: Annotated[str, typer.Option(help="The text that is written onto the frames.")] = "Hello from comfyfleet",
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="File for the result.")] = Path(
        "comfyfleet-demo.mp4"
    ),
    as_json: JsonFlag = False,
) -> None:
    """Render the sample clip, on a server that is started for it unless one runs already.

    It goes the way of every job: upload, queue, worker, ComfyUI, result, credits. The result is looked at in the end.
    """
    settings = _settings(context, data, comfyui_url)
    if output.is_dir():
        output /= "comfyfleet-demo.mp4"
    check_target(output, Inputs())
    tell = say if as_json else _print
    with demo_server(settings.data, settings.comfyui_url, tell) as server, WorkerPlane(server.connection) as plane:
        tell(f"server      {plane.url}")
        outcome = _render(plane, prompt, output, as_json=as_json)
    if as_json:
        print_json_line(_summary(outcome))
    else:
        _tell_next(plane.url, server, outcome, settings)


def _settings(context: typer.Context, data: Path | None, comfyui_url: str | None) -> CliSettings:
    settings = settings_of(context)
    if settings.url is not None:
        raise UsageProblem(
            "The demo runs on this machine, and COMFYFLEET_URL or --url names another server.",
            hint=f"Leave it out, or run: comfyfleet run {CAPTION_EFFECT} --input FILE --set prompt=…",
        )
    given = settings.model_copy(update={"comfyui_url": comfyui_url or settings.comfyui_url})
    return given if data is None else given.model_copy(update={"data": data.expanduser().absolute()})


def _render(plane: WorkerPlane, prompt: str, output: Path, *, as_json: bool) -> Outcome:
    tell = say if as_json else _print
    workers = await_workers(plane)
    comfyui = sorted({comfyui_name(worker) for worker in workers})
    tell(f"rendered by {', '.join(comfyui)}")
    missing = missing_nodes(plane.workflow(CAPTION_EFFECT).node_classes, workers)
    if missing:
        tell(f"            it lacks {', '.join(missing)}, so the effect is {PLAIN_EFFECT}: without the text")
    effect = plane.effect(PLAIN_EFFECT if missing else CAPTION_EFFECT)
    assignments = [] if missing else [f"prompt={'@' if prompt.startswith('@') else ''}{prompt}"]
    inputs = read_inputs(effect, sample_path(), assignments)
    before = plane.me().balance.available
    tell(f"effect      {effect.slug}, {effect.credits_cost} credits of {before}")
    reporter = JsonReporter() if as_json else LineReporter(_print)
    job = submit_order(plane, Order(effect.slug, inputs, str(uuid.uuid4())), reporter)
    try:
        job = await_job(plane, job, reporter)
    except KeyboardInterrupt:
        stop_job(plane, job.id)
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    path = save_output(plane, job, output, reporter)
    from comfyfleet.cli.demo_check import check_clip  # noqa: PLC0415 - loads NumPy, which only a server's install has

    report = check_clip(sample_path(), path, with_text=not missing and bool(prompt.strip()))
    after = plane.me().balance.available
    return Outcome(effect, job, comfyui, before, after, path.absolute(), report, missing)


def missing_nodes(needed: list[str], workers: Sequence[WorkerView]) -> list[str]:
    """Return the node classes that some worker's ComfyUI does not have; one that tells none is trusted to have all."""
    missing: set[str] = set()
    for worker in workers:
        known = worker.capabilities.get("node_classes")
        if isinstance(known, list):
            missing |= set(needed) - set(known)
    return sorted(missing)


def _tell_next(url: str, server: DemoServer, outcome: Outcome, settings: CliSettings) -> None:
    _print(f"credits     {outcome.credits_before} before, {outcome.credits_after} after")
    _print(f"output      {outcome.output}")
    _print(f"checked     {outcome.report}")
    page = f"/effects/{outcome.effect.slug}"
    _print("")
    if server.is_ours:
        _print(f"Next: start the server with `{_program()} up --data {settings.data}`, then open {page} in a browser,")
    else:
        _print(f"Next: open {url}{page} in a browser,")
    text = "" if outcome.missing_nodes else ' --set prompt="Your text"'
    _print(f"or run: {_program()} run {outcome.effect.slug} --input YOUR.mp4{text} -o OUT.mp4")


def _program() -> str:
    """Return what a user types to start this program: its name where a shell finds it, else its path."""
    if shutil.which("comfyfleet"):
        return "comfyfleet"
    return os.path.relpath(Path(sys.executable).parent / "comfyfleet")


def _summary(outcome: Outcome) -> dict[str, object]:
    return {
        "event": "demo",
        "effect": outcome.effect.slug,
        "job": outcome.job,
        "comfyui": outcome.comfyui,
        "missing_nodes": outcome.missing_nodes,
        "credits_before": outcome.credits_before,
        "credits_after": outcome.credits_after,
        "output": str(outcome.output),
        "codec": outcome.report.codec,
        "frames": outcome.report.frames,
        "seconds": outcome.report.seconds,
        "difference": outcome.report.difference,
        "drawn_share": outcome.report.drawn_share,
    }


def _print(message: str) -> None:
    typer.echo(printable(message))
