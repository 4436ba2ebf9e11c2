"""How commands print a job and what happened to it."""

from collections.abc import Iterable
from typing import Annotated

import typer

from comfyfleet.cli.output import print_table
from comfyfleet.cli.reporting import state_text
from comfyfleet.core.jobs import JobStatus
from comfyfleet.core.wording import size_text, span_text
from comfyfleet.protocol.api import JobEventView, JobView

JobId = Annotated[int, typer.Argument(metavar="ID", help="Number of the job.")]
Status = Annotated[JobStatus | None, typer.Option("--status", help="Only jobs in this state.")]


def job_fields(job: JobView) -> list[tuple[str, object]]:
    """Return what there is to say of a job."""
    fields: list[tuple[str, object]] = [
        ("job", job.id),
        ("effect", f"{job.effect_name} ({job.effect})"),
        ("state", state_text(job)),
        ("attempt", f"{job.attempt} of {job.max_attempts}"),
        ("credits", job.credits_cost),
        *((f"value {key}", value) for key, value in job.values.items()),
        ("done in about", span_text(job.estimated_seconds)),
        ("created", job.created_at),
        ("started", job.started_at),
        ("finished", job.finished_at),
    ]
    if job.error is not None:
        fields += [("error", job.error.message), ("code", job.error.code)]
        fields += [("node", f"{job.error.node_id} {job.error.node_type or ''}")] if job.error.node_id else []
        fields += [("input", job.error.input_name)] if job.error.input_name else []
    if job.output_url is not None:
        fields += [("output", f"{job.output_mime_type}, {size_text(job.output_size)}"), ("url", job.output_url)]
    return fields


def print_timeline(timeline: Iterable[JobEventView]) -> None:
    """Print what happened to a job, oldest first."""
    typer.echo()
    rows = [(event.at, event.event, event.attempt, event.detail) for event in timeline]
    print_table(("AT", "EVENT", "ATTEMPT", "DETAIL"), rows, empty="Nothing happened yet.")
