"""`comfyfleet run`: an effect over a file."""

import uuid
from pathlib import Path
from typing import Annotated, Final

import typer

from comfyfleet.cli.errors import ExitCode
from comfyfleet.cli.options import JsonFlag, examples
from comfyfleet.cli.output import print_json_line, say
from comfyfleet.cli.rendering import Order, await_job, check_target, save_output, submit_order
from comfyfleet.cli.reporting import Reporter, reporter_for
from comfyfleet.cli.session import open_plane
from comfyfleet.cli.values import read_inputs
from comfyfleet.client.api import ControlPlane
from comfyfleet.client.errors import Refused
from comfyfleet.protocol.api import JobView

RUN_EXAMPLES: Final = examples(
    'comfyfleet run caption-video --input clip.mp4 --set prompt="Hello" -o out.mp4',
    "comfyfleet run caption-video -i clip.mp4 -s prompt=@text.txt -s font_size=12 --json",
)


def run(
    context: typer.Context,
    effect: Annotated[str, typer.Argument(help="Slug of the effect; see comfyfleet effects list.")],
    input_file: Annotated[
        Path | None, typer.Option("--input", "-i", metavar="FILE", help="The file that the effect works on.")
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="KEY=VALUE", help="A property; KEY=@FILE takes a file. Repeatable."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="OUT", help="File or folder for the result.")
    ] = None,
    idempotency_key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="Submitting twice with the same key makes one job."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the result, or only submit.")] = True,
    as_json: JsonFlag = False,
) -> None:
    """Run an effect: upload the input, follow the job, download the result.

    Prints the path of the result. With --json it prints a JSON line for each step and `{"event": "saved", …}` last.
    Ctrl-C while it waits stops the job, and its credits are returned.
    """
    with open_plane(context) as plane:
        view = plane.effect(effect)
        inputs = read_inputs(view, input_file, assignments or [])
        check_target(output, inputs)
        order = Order(view.slug, inputs, idempotency_key or str(uuid.uuid4()))
        with reporter_for(as_json=as_json) as reporter:
            job = submit_order(plane, order, reporter)
            if wait:
                job = _await(plane, job, reporter)
                path = save_output(plane, job, output, reporter)
        if not wait:
            _say_submitted(job, as_json=as_json)
        elif as_json:
            print_json_line({"event": "saved", "path": str(path.absolute()), "job": job})
        else:
            typer.echo(path)


def _await(plane: ControlPlane, job: JobView, reporter: Reporter) -> JobView:
    try:
        return await_job(plane, job, reporter)
    except KeyboardInterrupt:
        stop_job(plane, job.id)
        raise typer.Exit(ExitCode.INTERRUPTED) from None


def stop_job(plane: ControlPlane, job_id: int) -> None:
    """Cancel a job whose user no longer waits for it, and say so; a second Ctrl-C leaves it alone."""
    say(f"Interrupted: canceling job {job_id} (Ctrl-C again lets it run).")
    try:
        job = plane.cancel(job_id)
    except KeyboardInterrupt:
        say(f"Job {job_id} goes on: comfyfleet jobs show {job_id}")
    except Refused as error:
        say(f"Job {job_id} was not canceled: {error.message}")
    else:
        how = "was canceled" if job.status.is_final else "stops as soon as its worker hears of it"
        say(f"Job {job_id} {how}; its {job.credits_cost} credits are returned.")


def _say_submitted(job: JobView, *, as_json: bool) -> None:
    if as_json:
        return  # the reporter printed the job already
    typer.echo(job.id)
    say(f"Job {job.id} is {job.status}. Its result: comfyfleet jobs download {job.id} -o OUT")
