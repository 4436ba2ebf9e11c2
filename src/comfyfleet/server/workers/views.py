"""Workers as the wire shows them."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.workers import WorkerStatus
from comfyfleet.protocol.worker import Figures
from comfyfleet.protocol.workers import WorkerDetail, WorkerJob, WorkerLogLineView, WorkerPage, WorkerView
from comfyfleet.server.bundles.views import reference
from comfyfleet.server.models import Fleet, Worker
from comfyfleet.server.workers import job_repository, log_repository, repository
from comfyfleet.server.workers.repository import WorkerFilter
from comfyfleet.server.workers.service import not_found

RECENT_JOBS: Final = 20
_LONG: Final = frozenset({"node_classes"})
"""Some hundred names, of which a list of workers would be heavy."""


async def page_of(session: AsyncSession, wanted: WorkerFilter, *, limit: int, offset: int) -> WorkerPage:
    """Return a page of workers, last seen first, with the jobs in their hands."""
    found = await repository.search(session, wanted, limit=limit, offset=offset)
    held = await job_repository.in_hand(session, [worker.id for worker, _ in found])
    items = [
        WorkerView(**_fields(worker, fleet, held.get(worker.id, [])), capabilities=_short(worker.capabilities))
        for worker, fleet in found
    ]
    return WorkerPage(items=items, total=await repository.count(session, wanted))


async def detail_of(session: AsyncSession, worker_id: str) -> WorkerDetail:
    """Return one worker in full; raise `WorkerNotFound`."""
    worker, fleet = await _find(session, worker_id)
    held = await job_repository.in_hand(session, [worker.id])
    own, pointed_to = _bundle_id(worker.bundle_id), fleet.active_bundle_id
    known = await repository.bundles(session, [bundle_id for bundle_id in (own, pointed_to) if bundle_id])
    return WorkerDetail(
        **_fields(worker, fleet, held.get(worker.id, [])),
        capabilities=worker.capabilities,
        bundle=reference(known[own]) if own in known else None,
        fleet_bundle=reference(known[pointed_to]) if pointed_to in known else None,
        recent_jobs=await job_repository.recent(session, worker.id, RECENT_JOBS),
    )


async def log_of(
    session: AsyncSession, worker_id: str, *, after: int | None = None, limit: int
) -> list[WorkerLogLineView]:
    """Return the last lines of a worker's log, oldest first; raise `WorkerNotFound`."""
    worker, _ = await _find(session, worker_id)
    lines = await log_repository.tail(session, worker.id, after=after, limit=limit)
    return [WorkerLogLineView.model_validate(line, from_attributes=True) for line in lines]


async def _find(session: AsyncSession, worker_id: str) -> tuple[Worker, Fleet]:
    found = await repository.with_fleet(session, worker_id)
    if found is None:
        raise not_found(worker_id)
    return found


def _fields(worker: Worker, fleet: Fleet, jobs: Sequence[WorkerJob]) -> dict[str, Any]:
    return {
        "worker_id": worker.worker_id,
        "fleet_slug": fleet.slug,
        "stage": fleet.stage,
        "status": WorkerStatus(worker.status),
        "registration_source": worker.registration_source,
        "display_name": worker.display_name,
        "max_concurrency": worker.max_concurrency,
        "capacity_type": worker.capacity_type,
        "instance_type": worker.instance_type,
        "jobs": jobs,
        "bundle_id": worker.bundle_id,
        "figures": Figures.model_validate(worker.figures) if worker.figures_at else None,
        "figures_at": worker.figures_at,
        "registered_at": worker.registered_at,
        "last_seen_at": worker.last_seen_at,
        "deregistered_at": worker.deregistered_at,
    }


def _short(capabilities: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in capabilities.items() if name not in _LONG}


def _bundle_id(told: str | None) -> UUID | None:
    """Return the id of a bundle that a machine tells, if it is one."""
    try:
        return UUID(told) if told else None
    except ValueError:
        return None
