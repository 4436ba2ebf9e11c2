"""SQL of the jobs that workers hold and held."""

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.jobs import JobStatus
from comfyfleet.protocol.workers import WorkerJob
from comfyfleet.server.models import Effect, Job, Tenant

_MOST_OF_AN_ERROR: Final = 300


async def in_hand(session: AsyncSession, worker_ids: Collection[int]) -> dict[int, list[WorkerJob]]:
    """Return the jobs that each of these workers holds, oldest first."""
    query = _jobs().where(Job.worker_id.in_(worker_ids), Job.status == JobStatus.PROCESSING).order_by(Job.id)
    held: dict[int, list[WorkerJob]] = {}
    for row in await session.execute(query):
        held.setdefault(row.worker_id, []).append(WorkerJob.model_validate(row, from_attributes=True))
    return held


async def recent(session: AsyncSession, worker_id: int, limit: int) -> list[WorkerJob]:
    """Return the jobs that ended in a worker's hands, newest first."""
    query = _jobs().where(Job.worker_id == worker_id, Job.status != JobStatus.PROCESSING)
    return [
        WorkerJob.model_validate(row, from_attributes=True)
        for row in await session.execute(query.order_by(Job.id.desc()).limit(limit))
    ]


def _jobs() -> Select[*tuple[Any, ...]]:
    """Select what is shown of jobs, and nothing of their graphs."""
    query = select(
        Job.worker_id,
        Job.id,
        Effect.slug.label("effect"),
        Tenant.slug.label("tenant"),
        Job.status,
        Job.attempt,
        Job.progress,
        Job.progress_node,
        func.left(Job.error_message, _MOST_OF_AN_ERROR).label("error_message"),
        Job.leased_at,
        Job.started_at,
        Job.finished_at,
    )
    return query.join(Effect, Effect.id == Job.effect_id).join(Tenant, Tenant.id == Job.tenant_id)
