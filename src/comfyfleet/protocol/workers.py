"""Wire models of workers as operators see them."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from comfyfleet.core.jobs import JobStatus
from comfyfleet.core.workers import WorkerStatus
from comfyfleet.protocol.bundles import BundleRef
from comfyfleet.protocol.worker import Figures


class WorkerJob(BaseModel):
    """A job that a worker holds or held. `progress` is 0 to 1."""

    id: int
    effect: str
    tenant: str
    status: JobStatus
    attempt: int
    progress: float
    progress_node: str | None
    error_message: str | None
    leased_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None


class WorkerView(BaseModel):
    """A worker, and the jobs in its hands.

    `capabilities` holds no `node_classes` in a list of workers. `bundle_id` is the bundle that was applied last on its
    machine, where it knows; `figures` is what it said of its GPUs at `figures_at`.
    """

    worker_id: str
    fleet_slug: str
    stage: str
    status: WorkerStatus
    registration_source: str
    display_name: str | None
    capabilities: dict[str, Any]
    max_concurrency: int
    capacity_type: str | None = None
    instance_type: str | None = None
    jobs: list[WorkerJob]
    bundle_id: str | None = None
    figures: Figures | None = None
    figures_at: datetime | None = None
    registered_at: datetime
    last_seen_at: datetime
    deregistered_at: datetime | None = None


class WorkerPage(BaseModel):
    """A page of workers; `total` counts all that match."""

    items: list[WorkerView]
    total: int


class WorkerDetail(WorkerView):
    """A worker in full: its bundle, the bundle that its fleet points to, and the jobs that it had last."""

    bundle: BundleRef | None
    fleet_bundle: BundleRef | None
    recent_jobs: list[WorkerJob]


class WorkerLogLineView(BaseModel):
    """A line of a worker's log. A later line has a greater `id`."""

    id: int
    at: datetime
    level: str
    text: str
