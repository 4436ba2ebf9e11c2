"""SQL of what the estimates of jobs follow from."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.jobs import JobStatus
from comfyfleet.server.models import Job, Worker


@dataclass(frozen=True)
class Held:
    """A job that a worker holds."""

    effect_id: int
    progress: float
    leased_at: datetime | None


_SECONDS = func.extract("epoch", Job.finished_at - Job.leased_at)


async def durations_of_fleet(session: AsyncSession, fleet_id: int, limit: int) -> list[tuple[int, float]]:
    """Return effect and seconds of each completed one among a fleet's last finished jobs."""
    last = (
        select(Job.effect_id, Job.status, _SECONDS.label("seconds"))
        .where(Job.fleet_id == fleet_id, Job.finished_at.is_not(None))
        .order_by(Job.finished_at.desc())
        .limit(limit)
        .subquery()
    )
    query = select(last.c.effect_id, last.c.seconds).where(last.c.status == JobStatus.COMPLETED)
    return [(row.effect_id, float(row.seconds)) for row in await session.execute(query)]


async def durations_of_effect(session: AsyncSession, effect_id: int, limit: int) -> list[float]:
    """Return the seconds of each completed one among an effect's last jobs, on whatever fleet."""
    last = (
        select(Job.status, _SECONDS.label("seconds"))
        .where(Job.effect_id == effect_id)
        .order_by(Job.id.desc())
        .limit(limit)
        .subquery()
    )
    query = select(last.c.seconds).where(last.c.status == JobStatus.COMPLETED)
    return [float(seconds) for seconds in await session.scalars(query)]


async def capacity(session: AsyncSession, fleet_id: int) -> int:
    """Return how many jobs a fleet's active workers can hold."""
    query = select(func.sum(Worker.max_concurrency)).where(Worker.fleet_id == fleet_id, Worker.status == "active")
    return await session.scalar(query) or 0


async def held(session: AsyncSession, fleet_id: int, limit: int) -> list[Held]:
    """Return what a fleet's active workers hold."""
    query = select(Job.effect_id, Job.progress, Job.leased_at).join(Worker, Worker.id == Job.worker_id)
    query = query.where(Job.fleet_id == fleet_id, Job.status == JobStatus.PROCESSING, Worker.status == "active")
    rows = await session.execute(query.order_by(Job.id).limit(limit))
    return [Held(effect_id, progress, leased_at) for effect_id, progress, leased_at in rows]
