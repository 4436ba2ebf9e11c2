"""SQL of workflows."""

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from comfyfleet.core.analysis import KnownAsset
from comfyfleet.core.assets import AssetKind
from comfyfleet.server.models import Asset, AssetName, Bundle, Fleet, FleetWorkflow, Workflow


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


async def names(session: AsyncSession) -> list[tuple[str, str]]:
    """Return slug and name of the active workflows by name, without their graphs."""
    query = select(Workflow.slug, Workflow.name).where(Workflow.is_active).order_by(Workflow.name, Workflow.id)
    return [(row.slug, row.name) for row in await session.execute(query)]


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


async def fleet_and_bundle(session: AsyncSession, stage: str, slug: str) -> tuple[Fleet, Bundle | None] | None:
    """Return a fleet and the bundle that it points to, with its entries, or None if there is no such fleet."""
    fleet = await session.scalar(select(Fleet).where(Fleet.stage == stage, Fleet.slug == slug))
    if fleet is None:
        return None
    query = select(Bundle).where(Bundle.id == fleet.active_bundle_id).options(selectinload(Bundle.entries))
    return fleet, await session.scalar(query)


async def library(session: AsyncSession) -> list[tuple[KnownAsset, bool]]:
    """Return all assets, and of each whether it is in quarantine."""
    names = func.array_agg(aggregate_order_by(AssetName.filename, AssetName.id))
    query = select(Asset.id, Asset.kind, Asset.sha256, Asset.is_quarantined & Asset.released_by.is_(None), names)
    query = query.join(AssetName, AssetName.asset_id == Asset.id).group_by(Asset.id)
    return [
        (KnownAsset(asset_id, AssetKind(kind), sha256, tuple(filenames)), is_quarantined)
        for asset_id, kind, sha256, is_quarantined, filenames in await session.execute(query)
    ]
