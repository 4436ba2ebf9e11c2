"""`comfyfleet jobs`: list, show, download, cancel; and for operators search, inspect, retry."""

from pathlib import Path
from typing import Annotated

import typer

from comfyfleet.cli import job_search
from comfyfleet.cli.errors import JobFailed
from comfyfleet.cli.job_tables import JobId, Status, job_fields, print_timeline
from comfyfleet.cli.options import Before, JsonFlag, Limit, YesFlag, confirm, examples, say_more
from comfyfleet.cli.output import print_json, print_record, print_table, say
from comfyfleet.cli.rendering import save_output
from comfyfleet.cli.reporting import reporter_for, state_text
from comfyfleet.cli.session import open_plane
from comfyfleet.core.jobs import JobStatus
from comfyfleet.protocol.api import JobView

app = typer.Typer(
    help="Jobs of your tenant: list, show, download, cancel. And for administrators those of all tenants."
)

app.command(
    "search",
    epilog=examples(
        "comfyfleet jobs search 4711",
        "comfyfleet jobs search out of memory --status failed --fleet staging/gpu-default",
    ),
    rich_help_panel=job_search.PANEL,
)(job_search.search_jobs)
app.command("inspect", rich_help_panel=job_search.PANEL)(job_search.inspect_job)
app.command("retry", rich_help_panel=job_search.PANEL)(job_search.retry_job)


@app.callback(invoke_without_command=True)
def jobs(
    context: typer.Context,
    status: Status = None,
    limit: Limit = 20,
    before: Before = None,
    as_json: JsonFlag = False,
) -> None:
    """List jobs, newest first; or show, download or cancel one."""
    if context.invoked_subcommand is None:
        list_jobs(context, status, limit, before, as_json=as_json)


@app.command("list")
def list_jobs(
    context: typer.Context,
    status: Status = None,
    limit: Limit = 20,
    before: Before = None,
    as_json: JsonFlag = False,
) -> None:
    """List jobs, newest first."""
    with open_plane(context) as plane:
        page = plane.jobs(status=status, before=before, limit=limit)
    if as_json:
        print_json(page)
        return
    rows = [
        (job.id, job.effect, state_text(job), job.credits_cost, job.created_at, _seconds(job)) for job in page.items
    ]
    print_table(("ID", "EFFECT", "STATE", "CREDITS", "CREATED", "SECONDS"), rows, empty="There are no jobs.")
    status_option = f" --status {status}" if status else ""
    say_more(f"comfyfleet jobs list{status_option}", page.next_before)


@app.command("show")
def show_job(context: typer.Context, job_id: JobId, as_json: JsonFlag = False) -> None:
    """Show a job and what happened to it."""
    with open_plane(context) as plane:
        job, timeline = plane.job(job_id), plane.timeline(job_id)
    if as_json:
        print_json({"job": job, "timeline": [event.model_dump(mode="json") for event in timeline]})
        return
    print_record(job_fields(job))
    print_timeline(timeline)


@app.command("download")
def download_job(
    context: typer.Context,
    job_id: JobId,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="OUT", help="File or folder for the result.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Download a completed job's result."""
    with open_plane(context) as plane:
        job = plane.job(job_id)
        if job.status is not JobStatus.COMPLETED:
            raise JobFailed(f"Job {job_id} is {job.status}: it has no result.", hint="See comfyfleet jobs show ID.")
        with reporter_for(as_json=as_json) as reporter:
            path = save_output(plane, job, output, reporter)
    if as_json:
        print_json({"path": str(path.absolute()), "job": job})
    else:
        typer.echo(path)


@app.command("cancel")
def cancel_job(
    context: typer.Context,
    job_id: JobId,
    any_tenant: Annotated[
        bool, typer.Option("--any-tenant", help="Also where it is another tenant's (administrators).")
    ] = False,
    yes: YesFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Stop a job; its credits are given back."""
    with job_search.open_jobs(context) as plane:
        confirm(f"Cancel job {job_id}?", yes=yes)
        job = plane.cancel_any_job(job_id) if any_tenant else plane.cancel(job_id)
    if as_json:
        print_json(job)
    elif job.status.is_final:
        say(f"Job {job_id} is {job.status}.")
    else:
        say(f"Job {job_id} stops as soon as its worker hears of it.")


def _seconds(job: JobView) -> str:
    if job.finished_at is None:
        return "-"
    return f"{(job.finished_at - job.created_at).total_seconds():.1f}"
