"""SQL of fleets at a glance: one statement for each figure, whatever the number of fleets."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.jobs import JobStatus
from comfyfleet.server.models import Bundle, Fleet, FleetWorkflow, Job, Worker


async def fleets_with_bundles(
    session: AsyncSession, fleet_id: int | None
) -> list[tuple[Fleet, str | None, int | None]]:
    """Return all fleets, or one, with name and version of their bundles."""
    query = select(Fleet, Bundle.name, Bundle.version).outerjoin(Bundle, Bundle.id == Fleet.active_bundle_id)
    query = query if fleet_id is None else query.where(Fleet.id == fleet_id)
    rows = await session.execute(query.order_by(Fleet.stage, Fleet.slug))
    return [(fleet, name, version) for fleet, name, version in rows]


async def workflow_counts(session: AsyncSession) -> dict[int, int]:
    """Return how many workflows each fleet serves."""
    query = select(FleetWorkflow.fleet_id, func.count().label("size")).group_by(FleetWorkflow.fleet_id)
    return {row.fleet_id: row.size for row in await session.execute(query)}


async def active_workers(session: AsyncSession) -> dict[int, tuple[int, int]]:
    """Return how many active workers each fleet has, and how many jobs they can hold."""
    size, capacity = func.count().label("size"), func.sum(Worker.max_concurrency).label("capacity")
    query = select(Worker.fleet_id, size, capacity).where(Worker.status == "active").group_by(Worker.fleet_id)
    return {row.fleet_id: (row.size, row.capacity) for row in await session.execute(query)}


async def first_queued_at(session: AsyncSession) -> dict[int, datetime]:
    """Return since when the first queued job of each fleet waits."""
    query = select(Job.fleet_id, func.min(Job.queued_at).label("first")).where(Job.status == JobStatus.QUEUED)
    return {row.fleet_id: row.first for row in await session.execute(query.group_by(Job.fleet_id))}


async def open_jobs(session: AsyncSession) -> dict[tuple[int, str], int]:
    """Return how many jobs of each fleet are queued and processing."""
    counted: dict[tuple[int, str], int] = {}
    for status in (JobStatus.QUEUED, JobStatus.PROCESSING):  # each has an index of its own
        query = select(Job.fleet_id, func.count()).where(Job.status == status).group_by(Job.fleet_id)
        counted |= {(fleet_id, status.value): count for fleet_id, count in await session.execute(query)}
    return counted
