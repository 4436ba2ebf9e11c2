"""SQL of fleets."""

from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.jobs import JobStatus
from comfyfleet.server.models import Fleet, FleetActivation, FleetWorkflow, Job, Worker, Workflow


async def by_slug(session: AsyncSession, stage: str, slug: str) -> Fleet | None:
    """Find a fleet."""
    return await session.scalar(select(Fleet).where(Fleet.stage == stage, Fleet.slug == slug))


async def all_fleets(session: AsyncSession) -> list[Fleet]:
    """Return all fleets by stage and slug."""
    return list(await session.scalars(select(Fleet).order_by(Fleet.stage, Fleet.slug)))


async def insert_fleet(session: AsyncSession, stage: str, slug: str, name: str) -> Fleet:
    """Store a new fleet."""
    fleet = Fleet(stage=stage, slug=slug, name=name)
    session.add(fleet)
    await session.flush()
    return fleet


async def was_used(session: AsyncSession, fleet_id: int) -> bool:
    """Tell whether a fleet has or had a worker or a job."""
    has_worker = select(Worker.id).where(Worker.fleet_id == fleet_id).exists()
    has_job = select(Job.id).where(Job.fleet_id == fleet_id).exists()
    return bool(await session.scalar(select(has_worker | has_job)))


async def delete_fleet(session: AsyncSession, fleet: Fleet) -> None:
    """Delete a fleet with its history."""
    await session.delete(fleet)
    await session.flush()


async def workflows_of(session: AsyncSession, fleet_id: int) -> list[str]:
    """Return the slugs of the active workflows that a fleet serves."""
    query = select(Workflow.slug).join(FleetWorkflow, FleetWorkflow.workflow_id == Workflow.id)
    query = query.where(FleetWorkflow.fleet_id == fleet_id, Workflow.is_active)
    return list(await session.scalars(query.order_by(Workflow.slug)))


async def set_workflows(session: AsyncSession, fleet_id: int, workflow_ids: list[int]) -> None:
    """Make a fleet serve exactly these workflows."""
    await session.execute(
        delete(FleetWorkflow).where(FleetWorkflow.fleet_id == fleet_id, FleetWorkflow.workflow_id.not_in(workflow_ids))
    )
    rows = [{"fleet_id": fleet_id, "workflow_id": workflow_id} for workflow_id in workflow_ids]
    if rows:
        await session.execute(insert(FleetWorkflow).on_conflict_do_nothing(), rows)


async def set_fleets(session: AsyncSession, workflow_id: int, fleet_ids: list[int]) -> None:
    """Make exactly these fleets serve a workflow."""
    gone = delete(FleetWorkflow).where(FleetWorkflow.workflow_id == workflow_id)
    await session.execute(gone.where(FleetWorkflow.fleet_id.not_in(fleet_ids)))
    rows = [{"fleet_id": fleet_id, "workflow_id": workflow_id} for fleet_id in fleet_ids]
    if rows:
        await session.execute(insert(FleetWorkflow).on_conflict_do_nothing(), rows)


async def serving(session: AsyncSession, stage: str, workflow_id: int) -> int | None:
    """Return the id of the fleet of a stage that serves a workflow and has the fewest jobs, or None."""
    depth = (
        select(func.count())
        .where(Job.fleet_id == Fleet.id, Job.status == JobStatus.QUEUED)
        .correlate(Fleet)
        .scalar_subquery()
    )
    query = select(Fleet.id).join(FleetWorkflow, FleetWorkflow.fleet_id == Fleet.id)
    query = query.where(Fleet.stage == stage, FleetWorkflow.workflow_id == workflow_id)
    return await session.scalar(query.order_by(depth, Fleet.id).limit(1))


async def queue_depth(session: AsyncSession, fleet_id: int) -> int:
    """Count the queued and processing jobs of a fleet."""
    open_states = (JobStatus.QUEUED, JobStatus.PROCESSING)
    query = select(func.count()).select_from(Job).where(Job.fleet_id == fleet_id, Job.status.in_(open_states))
    return await session.scalar(query) or 0


async def graphs_of(session: AsyncSession, fleet_id: int) -> dict[str, dict[str, Any]]:
    """Return the graphs of the active workflows that a fleet serves, by slug."""
    query = select(Workflow.slug, Workflow.graph).join(FleetWorkflow, FleetWorkflow.workflow_id == Workflow.id)
    query = query.where(FleetWorkflow.fleet_id == fleet_id, Workflow.is_active)
    return {row.slug: row.graph for row in await session.execute(query.order_by(Workflow.slug))}


async def lock(session: AsyncSession, fleet: Fleet) -> None:
    """Hold a fleet until the transaction ends, and read it again."""
    await session.refresh(fleet, with_for_update=True)


async def insert_activation(session: AsyncSession, activation: FleetActivation) -> None:
    """Store a line of a fleet's history."""
    session.add(activation)
    await session.flush()


async def activations(session: AsyncSession, fleet_id: int, limit: int) -> list[FleetActivation]:
    """Return a fleet's history, newest first."""
    query = select(FleetActivation).where(FleetActivation.fleet_id == fleet_id)
    return list(await session.scalars(query.order_by(FleetActivation.id.desc()).limit(limit)))


async def with_stale_pointers(session: AsyncSession, stage: str, none: str) -> list[Fleet]:
    """Return the fleets of a stage whose parameter was last written with something else, or never."""
    wanted = func.coalesce(Fleet.active_bundle_s3_prefix, none)
    query = select(Fleet).where(Fleet.stage == stage, wanted.is_distinct_from(Fleet.pointer_value))
    return list(await session.scalars(query.order_by(Fleet.id)))


async def note_pointer(session: AsyncSession, fleet_id: int, value: str, at: datetime, problem: str | None) -> None:
    """Note what was written to a fleet's parameter, or why it was not."""
    written = {"pointer_value": value, "pointer_written_at": at} if problem is None else {}
    await session.execute(update(Fleet).where(Fleet.id == fleet_id).values(pointer_error=problem, **written))
