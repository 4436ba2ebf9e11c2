"""Fleets at a glance."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.server.fleets import overview_repository as repository


@dataclass(frozen=True)
class FleetOverview:
    """A fleet, what it has, and what it has to do. `workers` are those that are active."""

    stage: str
    slug: str
    name: str
    bundle: str | None
    bundle_id: UUID | None
    workflow_count: int
    workers: int
    queued: int
    processing: int


async def overviews(session: AsyncSession) -> list[FleetOverview]:
    """Return all fleets by stage and slug."""
    fleets = await repository.fleets_with_bundles(session)
    workflows = await repository.workflow_counts(session)
    workers = await repository.active_workers(session)
    jobs = await repository.open_jobs(session)
    return [
        FleetOverview(
            stage=fleet.stage,
            slug=fleet.slug,
            name=fleet.name,
            bundle=f"{bundle_name}@{version}" if bundle_name else None,
            bundle_id=fleet.active_bundle_id,
            workflow_count=workflows.get(fleet.id, 0),
            workers=workers.get(fleet.id, 0),
            queued=jobs.get((fleet.id, "queued"), 0),
            processing=jobs.get((fleet.id, "processing"), 0),
        )
        for fleet, bundle_name, version in fleets
    ]
