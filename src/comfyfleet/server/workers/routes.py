"""Workers over HTTP, for administrators. The worker protocol itself is in the slice `jobs`."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from comfyfleet.core.workers import WorkerStatus
from comfyfleet.protocol.envelope import Envelope
from comfyfleet.protocol.worker import WORKER_ID_PATTERN, RegistrationSource
from comfyfleet.protocol.workers import WorkerDetail, WorkerLogLineView, WorkerPage
from comfyfleet.server.auth.dependencies import Operator, Transaction, Viewer, Words
from comfyfleet.server.models.base import MAX_BIG_ID
from comfyfleet.server.workers import operating, views
from comfyfleet.server.workers.repository import WorkerFilter

router = APIRouter(prefix="/api/workers", tags=["workers"])

WorkerId = Annotated[str, Path(pattern=WORKER_ID_PATTERN)]
After = Annotated[int | None, Query(ge=0, le=MAX_BIG_ID)]


@router.get("")
async def list_workers(
    _viewer: Viewer,
    session: Transaction,
    q: Words = "",
    fleet: Words = "",
    status: Annotated[list[WorkerStatus] | None, Query(max_length=len(WorkerStatus))] = None,
    source: RegistrationSource | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Envelope[WorkerPage]:
    """List workers, last seen first; `fleet` is `stage/slug` or a slug, `status` may be given several times."""
    wanted = WorkerFilter(text=q.strip(), fleet=fleet or None, statuses=status or (), source=source)
    return Envelope(data=await views.page_of(session, wanted, limit=limit, offset=offset))


@router.get("/{worker_id}")
async def show_worker(worker_id: WorkerId, _viewer: Viewer, session: Transaction) -> Envelope[WorkerDetail]:
    """Show a worker: its figures, its bundle, and its jobs."""
    return Envelope(data=await views.detail_of(session, worker_id))


@router.get("/{worker_id}/log")
async def show_log(
    worker_id: WorkerId,
    _viewer: Viewer,
    session: Transaction,
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> Envelope[list[WorkerLogLineView]]:
    """Show the last lines of a worker's log, oldest first; with `after`, what came after that line."""
    return Envelope(data=await views.log_of(session, worker_id, after=after, limit=limit))


@router.post("/{worker_id}/drain")
async def drain_worker(worker_id: WorkerId, operator: Operator, session: Transaction) -> Envelope[WorkerDetail]:
    """Let a worker finish what it has and get no more jobs."""
    await operating.drain(session, operator, worker_id)
    return Envelope(data=await views.detail_of(session, worker_id))


@router.post("/{worker_id}/activate")
async def activate_worker(worker_id: WorkerId, operator: Operator, session: Transaction) -> Envelope[WorkerDetail]:
    """Let a worker that drains get jobs again."""
    await operating.activate(session, operator, worker_id)
    return Envelope(data=await views.detail_of(session, worker_id))


@router.post("/{worker_id}/restore")
async def restore_worker(worker_id: WorkerId, operator: Operator, session: Transaction) -> Envelope[WorkerDetail]:
    """Let a revoked worker register again."""
    await operating.restore(session, operator, worker_id)
    return Envelope(data=await views.detail_of(session, worker_id))
