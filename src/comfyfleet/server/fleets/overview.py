"""Fleets at a glance."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.server.fleets import overview_repository as repository
from comfyfleet.server.models import Fleet


@dataclass(frozen=True)
class FleetOverview:
    """A fleet, what it has, and what it has to do.

    `workers` are those that are active, `capacity` is how many jobs they can hold, and `waiting_since` is when the
    first queued job was queued.
    """

    fleet_id: int
    stage: str
    slug: str
    name: str
    bundle: str | None
    bundle_id: UUID | None
    workflow_count: int
    workers: int
    capacity: int
    queued: int
    processing: int
    waiting_since: datetime | None


async def overview(session: AsyncSession, fleet: Fleet) -> FleetOverview:
    """Return one fleet."""
    return (await overviews(session, fleet.id))[0]


async def overviews(session: AsyncSession, fleet_id: int | None = None) -> list[FleetOverview]:
    """Return all fleets by stage and slug, or one."""
    fleets = await repository.fleets_with_bundles(session, fleet_id)
    workflows = await repository.workflow_counts(session)
    workers = await repository.active_workers(session)
    jobs = await repository.open_jobs(session)
    first = await repository.first_queued_at(session)
    return [
        FleetOverview(
            fleet_id=fleet.id,
            stage=fleet.stage,
            slug=fleet.slug,
            name=fleet.name,
            bundle=f"{bundle_name}@{version}" if bundle_name else None,
            bundle_id=fleet.active_bundle_id,
            workflow_count=workflows.get(fleet.id, 0),
            workers=workers.get(fleet.id, (0, 0))[0],
            capacity=workers.get(fleet.id, (0, 0))[1],
            queued=jobs.get((fleet.id, "queued"), 0),
            processing=jobs.get((fleet.id, "processing"), 0),
            waiting_since=first.get(fleet.id),
        )
        for fleet, bundle_name, version in fleets
    ]
