"""Wire models of jobs as operators see them, over all tenants."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from comfyfleet.core.jobs import JobEvent, JobStatus
from comfyfleet.protocol.api import JobEventView, JobView


class JobRow(BaseModel):
    """A job as one line of a list. `fleet` is `stage/slug`, `error` the message of one that failed."""

    id: int
    tenant: str
    tenant_name: str
    effect: str
    effect_name: str
    fleet: str
    worker_id: str | None
    status: JobStatus
    cancel_requested: bool
    attempt: int
    max_attempts: int
    progress: float
    progress_node: str | None
    credits_cost: int
    error: str | None
    retry_of: int | None
    created_at: datetime
    leased_at: datetime | None
    finished_at: datetime | None


class JobFileView(BaseModel):
    """A file that a job was given; `url` opens by itself for a while."""

    key: str
    type: str
    filename: str
    content_type: str
    size: int
    is_primary_input: bool
    url: str


class JobNode(BaseModel):
    """A node of the graph that a job runs; `title` is what its author called it."""

    id: str
    class_type: str
    title: str


class AttemptView(BaseModel):
    """One worker's try; `end` says how it ended, null while it goes on."""

    number: int
    worker_id: str
    leased_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    end: JobEvent | None
    detail: str


class RetryView(BaseModel):
    """A job that was made to do another one again."""

    id: int
    status: JobStatus
    created_at: datetime


class JobDetail(JobView):
    """A job with everything that tells what happened to it.

    `nodes` are those of its graph, and `error_inputs` what the node that failed was given.
    """

    tenant: str
    tenant_name: str
    fleet: str
    worker_id: str | None
    workflow: str
    workflow_name: str
    is_test: bool = False
    provider_job_id: str | None
    output_node_id: str
    output_metadata: dict[str, Any] | None
    files: list[JobFileView]
    nodes: list[JobNode]
    error_inputs: dict[str, Any] | None
    attempts: list[AttemptView]
    timeline: list[JobEventView]
    retry_of: int | None
    retries: list[RetryView]
