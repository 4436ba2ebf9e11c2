"""What needs an operator's attention now."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.attention import Finding, FleetCondition, Limits, attention
from comfyfleet.server.fleets import overview_repository as fleets
from comfyfleet.server.fleets import repository as all_fleets
from comfyfleet.server.fleets.service import label
from comfyfleet.server.metrics import attention_repository as repository
from comfyfleet.server.metrics.model_needs import ModelNeeds

ENDED_WITHIN: Final = timedelta(hours=1)
LOST_WITHIN: Final = timedelta(days=1)
"""A worker that fell silent longer ago is not coming back, and nobody needs to look for it."""

_MOST_LOST: Final = 1000


async def find_attention(session: AsyncSession, needs: ModelNeeds, limits: Limits, now: datetime) -> list[Finding]:
    """Return what needs attention, the most urgent first."""
    conditions = await _conditions(session, needs, now)
    return attention(conditions, await repository.quarantined(session), limits)


async def _conditions(session: AsyncSession, needs: ModelNeeds, now: datetime) -> list[FleetCondition]:
    jobs, workers = await fleets.open_jobs(session), await fleets.active_workers(session)
    first = await fleets.first_queued_at(session)
    draining = await repository.draining(session)
    lost = await repository.lost_since(session, now - LOST_WITHIN, _MOST_LOST)
    ended = await repository.ended_since(session, now - ENDED_WITHIN)
    without_bundle = await _workflows_without_bundle(session, needs)
    return [
        FleetCondition(
            fleet=label(fleet),
            queued=jobs.get((fleet.id, "queued"), 0),
            oldest_seconds=(now - first.get(fleet.id, now)).total_seconds(),
            workers=workers.get(fleet.id, (0, 0))[0],
            draining=draining.get(fleet.id, 0),
            lost=lost.get(fleet.id, []),
            completed=ended.get((fleet.id, "completed"), 0),
            failed=ended.get((fleet.id, "failed"), 0),
            workflows_without_bundle=without_bundle.get(fleet.id, []),
        )
        for fleet in await all_fleets.all_fleets(session)
    ]


async def _workflows_without_bundle(session: AsyncSession, needs: ModelNeeds) -> dict[int, list[str]]:
    served = await repository.served_without_bundle(session)
    has_needs = await needs.of(session, [path for _, _, path in served])
    found: defaultdict[int, list[str]] = defaultdict(list)
    for fleet_id, slug, path in served:
        if has_needs[path]:
            found[fleet_id].append(slug)
    return found
