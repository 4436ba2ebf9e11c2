"""Jobs of all tenants, for operators: `comfyfleet jobs search`, inspect, retry."""

import shlex
from typing import Annotated, Final

import typer

from comfyfleet.cli.job_tables import JobId, Status, job_fields, print_timeline
from comfyfleet.cli.options import Before, JsonFlag, Limit, YesFlag, confirm, say_more
from comfyfleet.cli.output import print_json, print_record, print_table, say
from comfyfleet.cli.session import find_connection, settings_of
from comfyfleet.client.jobs import JobsPlane
from comfyfleet.core.wording import size_text
from comfyfleet.protocol.jobs import JobDetail, JobRow

PANEL: Final = "For administrators"

_ERROR_LENGTH: Final = 80


def open_jobs(context: typer.Context) -> JobsPlane:
    """Return a client of all jobs of the server that the settings name, or that runs on this machine."""
    return JobsPlane(find_connection(settings_of(context)))


def search_jobs(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WORDS]", help="A job's number, or words: of names, errors, texts and files."),
    ] = None,
    status: Status = None,
    fleet: Annotated[str | None, typer.Option(metavar="STAGE/SLUG", help="Only jobs of this fleet.")] = None,
    effect: Annotated[str | None, typer.Option(metavar="SLUG", help="Only jobs of this effect.")] = None,
    tenant: Annotated[str | None, typer.Option(metavar="SLUG", help="Only jobs of this tenant.")] = None,
    worker: Annotated[str | None, typer.Option(metavar="ID", help="Only jobs that this worker had last.")] = None,
    limit: Limit = 50,
    before: Before = None,
    as_json: JsonFlag = False,
) -> None:
    """Search the jobs of all tenants, newest first."""
    text = " ".join(words or ())
    filters = {"status": status, "fleet": fleet, "effect": effect, "tenant": tenant, "worker": worker}
    with open_jobs(context) as plane:
        page = plane.search_jobs(
            text or None,
            status=status,
            fleet=fleet,
            effect=effect,
            tenant=tenant,
            worker=worker,
            before=before,
            limit=limit,
        )
    if as_json:
        print_json(page)
        return
    headers = ("ID", "TENANT", "EFFECT", "FLEET", "WORKER", "STATE", "CREATED", "ERROR")
    print_table(headers, map(_row, page.items), empty="There are no such jobs.")
    said = [f"--{name} {shlex.quote(value)}" for name, value in filters.items() if value]
    say_more(" ".join(["comfyfleet jobs search", *([shlex.quote(text)] if text else []), *said]), page.next_before)


def inspect_job(context: typer.Context, job_id: JobId, as_json: JsonFlag = False) -> None:
    """Show a job of any tenant: whose it is, its files, its attempts, and what happened to it."""
    with open_jobs(context) as plane:
        job = plane.inspect_job(job_id)
    if as_json:
        print_json(job)
        return
    print_record([*job_fields(job), *_place(job)])
    typer.echo()
    attempts = [
        (
            attempt.number,
            attempt.worker_id,
            attempt.leased_at,
            attempt.ended_at,
            attempt.end or "goes on",
            attempt.detail,
        )
        for attempt in job.attempts
    ]
    print_table(("ATTEMPT", "WORKER", "LEASED", "ENDED", "END", "DETAIL"), attempts, empty="No worker had it yet.")
    print_timeline(job.timeline)


def retry_job(context: typer.Context, job_id: JobId, yes: YesFlag = False, as_json: JsonFlag = False) -> None:
    """Do a failed or canceled job again, as a new job that its tenant pays for."""
    with open_jobs(context) as plane:
        confirm(f"Do job {job_id} again, at its tenant's cost?", yes=yes)
        job = plane.retry_job(job_id)
    if as_json:
        print_json(job)
    else:
        say(f"Job {job_id} is done again as job {job.id}.")


def _row(job: JobRow) -> tuple[object, ...]:
    error = (job.error or "").partition("\n")[0][:_ERROR_LENGTH]
    return job.id, job.tenant, job.effect, job.fleet, job.worker_id, job.status, job.created_at, error


def _place(job: JobDetail) -> list[tuple[str, object]]:
    retries = ", ".join(f"{retry.id} ({retry.status})" for retry in job.retries)
    return [
        ("tenant", f"{job.tenant_name} ({job.tenant})"),
        ("fleet", job.fleet),
        ("worker", job.worker_id),
        ("workflow", f"{job.workflow_name} ({job.workflow})"),
        *((f"file {file.key}", f"{file.filename}, {size_text(file.size)}, {file.url}") for file in job.files),
        ("retry of", job.retry_of),
        ("retries", retries or None),
    ]
