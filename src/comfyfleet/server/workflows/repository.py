"""SQL of workflows."""

from collections.abc import Collection

from sqlalchemy import ARRAY, Select, String, delete, func, literal, or_, select, true
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer, selectinload

from comfyfleet.core.analysis import KnownAsset, Sought
from comfyfleet.core.assets import AssetKind
from comfyfleet.server.models import (
    Asset,
    AssetName,
    Bundle,
    Effect,
    Fleet,
    FleetWorkflow,
    Job,
    Workflow,
    WorkflowVersion,
)


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


async def insert_version(session: AsyncSession, version: WorkflowVersion) -> None:
    """Store a version."""
    session.add(version)
    await session.flush()


async def versions_of(session: AsyncSession, workflow_id: int, limit: int) -> list[WorkflowVersion]:
    """Return a workflow's versions without graph and properties, newest first."""
    query = select(WorkflowVersion).where(WorkflowVersion.workflow_id == workflow_id)
    query = query.options(defer(WorkflowVersion.graph), defer(WorkflowVersion.properties))
    return list(await session.scalars(query.order_by(WorkflowVersion.version.desc()).limit(limit)))


async def version_of(session: AsyncSession, workflow_id: int, number: int) -> WorkflowVersion | None:
    """Find a version of a workflow."""
    query = select(WorkflowVersion).where(WorkflowVersion.workflow_id == workflow_id)
    return await session.scalar(query.where(WorkflowVersion.version == number))


async def effects_of(session: AsyncSession, workflow_id: int) -> list[str]:
    """Return the slugs of the effects that people made of a workflow."""
    query = select(Effect.slug).where(Effect.workflow_id == workflow_id, ~Effect.is_test).order_by(Effect.slug)
    return list(await session.scalars(query))


async def was_tried(session: AsyncSession, workflow_id: int) -> bool:
    """Tell whether there are jobs of a workflow's test runs."""
    query = select(Job.id).join(Effect, Effect.id == Job.effect_id)
    return await session.scalar(query.where(Effect.workflow_id == workflow_id, Effect.is_test).limit(1)) is not None


async def delete_workflow(session: AsyncSession, workflow: Workflow) -> None:
    """Delete a workflow, its versions, its places in fleets, and the effect behind its test runs."""
    await session.execute(delete(Effect).where(Effect.workflow_id == workflow.id, Effect.is_test))
    await session.execute(delete(FleetWorkflow).where(FleetWorkflow.workflow_id == workflow.id))
    await session.delete(workflow)
    await session.flush()


async def page(session: AsyncSession, *, q: str, limit: int, offset: int) -> tuple[list[Workflow], int]:
    """Return workflows with `q` in slug or name, without graph and properties, by name, and how many there are."""
    fits = or_(*(column.icontains(q, autoescape=True) for column in (Workflow.slug, Workflow.name))) if q else true()
    query = select(Workflow).where(fits).options(defer(Workflow.graph), defer(Workflow.properties))
    query = query.order_by(Workflow.name, Workflow.id).limit(limit).offset(offset)
    total = await session.scalar(select(func.count()).select_from(Workflow).where(fits)) or 0
    return list(await session.scalars(query)), total


async def effect_counts(session: AsyncSession, workflow_ids: list[int]) -> dict[int, int]:
    """Return how many effects of the public are made of each workflow."""
    query = select(Effect.workflow_id, func.count().label("size")).where(~Effect.is_test)
    query = query.where(Effect.workflow_id.in_(workflow_ids)).group_by(Effect.workflow_id)
    return {row.workflow_id: row.size for row in await session.execute(query)}


async def fleet_and_bundle(session: AsyncSession, stage: str, slug: str) -> tuple[Fleet, Bundle | None] | None:
    """Return a fleet and the bundle that it points to, with its entries, or None if there is no such fleet."""
    fleet = await session.scalar(select(Fleet).where(Fleet.stage == stage, Fleet.slug == slug))
    if fleet is None:
        return None
    query = select(Bundle).where(Bundle.id == fleet.active_bundle_id).options(selectinload(Bundle.entries))
    return fleet, await session.scalar(query)


async def library(session: AsyncSession, sought: Sought) -> list[tuple[KnownAsset, bool]]:
    """Return all custom nodes and the assets that are sought, and of each whether it is in quarantine."""
    names = func.array_agg(aggregate_order_by(AssetName.filename, AssetName.id))
    query = select(Asset.id, Asset.kind, Asset.sha256, Asset.is_quarantined & Asset.released_by.is_(None), names)
    query = query.join(AssetName, AssetName.asset_id == Asset.id).group_by(Asset.id)
    base = func.split_part(func.replace(AssetName.filename, "\\", "/"), "/", -1)
    named = select(AssetName.asset_id).where(base.in_(_rows(sought.names)))
    is_node = Asset.kind == AssetKind.CUSTOM_NODE.value
    query = query.where(or_(is_node, Asset.sha256.in_(_rows(sought.digests)), Asset.id.in_(named)))
    return [
        (KnownAsset(asset_id, AssetKind(kind), sha256, tuple(filenames)), is_quarantined)
        for asset_id, kind, sha256, is_quarantined, filenames in await session.execute(query)
    ]


def _rows(texts: Collection[str]) -> Select[tuple[str]]:
    """Return texts as rows: hundreds of workflows may name more files than a statement may have parameters."""
    return select(func.unnest(literal(list(texts), ARRAY(String))))
