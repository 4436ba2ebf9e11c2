"""SQL of what may need attention."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.attention import Refusal
from comfyfleet.core.jobs import JobStatus
from comfyfleet.core.workers import WorkerStatus
from comfyfleet.server.models import Asset, Fleet, FleetWorkflow, Job, Worker, WorkerRefusal, Workflow


async def draining(session: AsyncSession) -> dict[int, int]:
    """Return how many workers of each fleet drain."""
    query = select(Worker.fleet_id, func.count().label("size")).where(Worker.status == WorkerStatus.DRAINING)
    return {row.fleet_id: row.size for row in await session.execute(query.group_by(Worker.fleet_id))}


async def lost_since(session: AsyncSession, since: datetime, limit: int) -> dict[int, list[str]]:
    """Return the ids of the workers of each fleet that fell silent since then, the last ones first."""
    query = select(Worker.fleet_id, Worker.worker_id)
    query = query.where(Worker.status == WorkerStatus.LOST, Worker.last_seen_at >= since)
    lost: dict[int, list[str]] = {}
    for fleet_id, worker_id in await session.execute(query.order_by(Worker.last_seen_at.desc()).limit(limit)):
        lost.setdefault(fleet_id, []).append(worker_id)
    return lost


async def refused_since(session: AsyncSession, since: datetime) -> dict[int, Refusal]:
    """Return the last worker of each fleet that was not let in since then."""
    rows = await session.scalars(select(WorkerRefusal).where(WorkerRefusal.at >= since))
    return {row.fleet_id: Refusal(row.worker_id, row.reason, row.advice) for row in rows}


async def ended_since(session: AsyncSession, since: datetime) -> dict[tuple[int, str], int]:
    """Return how many jobs of each fleet were completed and failed since then."""
    ended = (JobStatus.COMPLETED, JobStatus.FAILED)
    fleets = select(Fleet.id).scalar_subquery()  # the index begins with them
    query = select(Job.fleet_id, Job.status, func.count())
    query = query.where(Job.fleet_id.in_(fleets), Job.finished_at >= since, Job.status.in_(ended))
    rows = await session.execute(query.group_by(Job.fleet_id, Job.status))
    return {(fleet_id, status): count for fleet_id, status, count in rows}


async def quarantined(session: AsyncSession) -> int:
    """Count the assets that wait for somebody to release them."""
    query = select(func.count()).select_from(Asset).where(Asset.is_quarantined, Asset.released_by.is_(None))
    return await session.scalar(query) or 0


async def served_without_bundle(session: AsyncSession) -> list[tuple[int, str, str]]:
    """Return fleet, slug and the path of the graph of each active workflow whose fleet points to no bundle."""
    query = select(FleetWorkflow.fleet_id, Workflow.slug, Workflow.comfyui_workflow_path)
    query = query.join(Workflow, Workflow.id == FleetWorkflow.workflow_id)
    query = query.join(Fleet, Fleet.id == FleetWorkflow.fleet_id)
    query = query.where(Workflow.is_active, Fleet.active_bundle_id.is_(None)).order_by(Workflow.slug)
    return [(fleet_id, slug, path) for fleet_id, slug, path in await session.execute(query)]


async def graphs(session: AsyncSession, paths: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return workflows' graphs by their paths."""
    query = select(Workflow.comfyui_workflow_path, Workflow.graph).where(Workflow.comfyui_workflow_path.in_(paths))
    return {row.comfyui_workflow_path: row.graph for row in await session.execute(query)}
