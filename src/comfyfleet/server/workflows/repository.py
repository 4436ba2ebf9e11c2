"""SQL of workflows."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.server.models import Fleet, FleetWorkflow, Workflow


async def by_slug(session: AsyncSession, slug: str) -> Workflow | None:
    """Find a workflow by slug."""
    return await session.scalar(select(Workflow).where(Workflow.slug == slug))


async def by_slugs(session: AsyncSession, slugs: list[str]) -> dict[str, Workflow]:
    """Return those of the workflows that exist, by slug."""
    return {
        workflow.slug: workflow for workflow in await session.scalars(select(Workflow).where(Workflow.slug.in_(slugs)))
    }


async def all_workflows(session: AsyncSession) -> list[Workflow]:
    """Return all workflows by name."""
    return list(await session.scalars(select(Workflow).order_by(Workflow.name, Workflow.id)))


async def fleets_of(session: AsyncSession, workflow_ids: list[int]) -> dict[int, list[str]]:
    """Return `stage/slug` of the fleets that serve each workflow."""
    query = select(FleetWorkflow.workflow_id, Fleet.stage, Fleet.slug).join(Fleet, Fleet.id == FleetWorkflow.fleet_id)
    rows = await session.execute(
        query.where(FleetWorkflow.workflow_id.in_(workflow_ids)).order_by(Fleet.stage, Fleet.slug)
    )
    result: dict[int, list[str]] = {workflow_id: [] for workflow_id in workflow_ids}
    for workflow_id, stage, slug in rows:
        result[workflow_id].append(f"{stage}/{slug}")
    return result


async def insert(session: AsyncSession, workflow: Workflow) -> None:
    """Store a new workflow."""
    session.add(workflow)
    await session.flush()
    await session.refresh(workflow)
