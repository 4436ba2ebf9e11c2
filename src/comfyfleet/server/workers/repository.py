"""SQL of workers."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.jobs import JobStatus
from comfyfleet.server.models import Fleet, Job, Worker


async def by_token_hash(session: AsyncSession, token_hash: str) -> Worker | None:
    """Find the worker that a token stands for."""
    return await session.scalar(select(Worker).where(Worker.token_hash == token_hash))


async def by_worker_id(session: AsyncSession, worker_id: str) -> Worker | None:
    """Find a worker by its machine's id, and keep others from changing it."""
    return await session.scalar(select(Worker).where(Worker.worker_id == worker_id).with_for_update())


async def save(session: AsyncSession, worker: Worker) -> None:
    """Store a worker, new or changed."""
    session.add(worker)
    await session.flush()


async def touch(session: AsyncSession, worker: Worker, now: datetime) -> None:
    """Note that a worker was heard of; one that counted as lost is active again."""
    worker.last_seen_at = now
    if worker.status == "lost":
        worker.status = "active"
    await session.flush()


async def mark_lost(session: AsyncSession, silent_since: datetime) -> int:
    """Mark as lost whoever was last heard of before `silent_since`; return how many."""
    query = update(Worker).where(Worker.status.in_(("active", "draining")), Worker.last_seen_at < silent_since)
    result = await session.execute(query.values(status="lost").returning(Worker.id))
    return len(result.all())


async def with_fleets(session: AsyncSession) -> list[tuple[Worker, Fleet]]:
    """Return all workers with their fleets, last seen first."""
    query = select(Worker, Fleet).join(Fleet, Fleet.id == Worker.fleet_id)
    return [(worker, fleet) for worker, fleet in await session.execute(query.order_by(Worker.last_seen_at.desc()))]


async def jobs_in_work(session: AsyncSession) -> dict[int, list[int]]:
    """Return the ids of the jobs that each worker holds."""
    query = select(Job.worker_id, Job.id).where(Job.status == JobStatus.PROCESSING).order_by(Job.id)
    result: dict[int, list[int]] = {}
    for worker_id, job_id in await session.execute(query):
        if worker_id is not None:
            result.setdefault(worker_id, []).append(job_id)
    return result
