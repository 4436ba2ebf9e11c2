"""Writing down how fleets stand, again and again."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.server.fleets import overview_repository as fleets
from comfyfleet.server.metrics import sample_repository as repository
from comfyfleet.server.models import FleetSample

SPACING: Final = timedelta(seconds=10)


async def take_samples(session: AsyncSession, now: datetime, *, keep: timedelta) -> int:
    """Store a sample of each fleet that has none of the last ten seconds; forget old ones. Return how many.

    Of several control planes that want to at the same moment, one does.
    """
    if not await repository.may_take(session):
        return 0
    due = await repository.fleets_without(session, now, SPACING)
    if not due:
        return 0
    jobs = await fleets.open_jobs(session)
    workers = await fleets.active_workers(session)
    first = await fleets.first_queued_at(session)
    samples = []
    for fleet_id in due:
        count, capacity = workers.get(fleet_id, (0, 0))
        samples.append(
            FleetSample(
                fleet_id=fleet_id,
                at=now,
                queued=jobs.get((fleet_id, "queued"), 0),
                processing=jobs.get((fleet_id, "processing"), 0),
                oldest_seconds=max(0.0, (now - first.get(fleet_id, now)).total_seconds()),
                workers=count,
                capacity=capacity,
                desired=None,  # only the cloud knows it, and it is asked elsewhere: see `wanted`
            )
        )
    await repository.insert(session, samples)
    await repository.delete_before(session, now - keep)
    return len(samples)
