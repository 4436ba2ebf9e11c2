"""What needs an operator's attention now."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.attention import Finding, FleetCondition, Limits, attention
from comfyfleet.server.fleets.overview import FleetOverview
from comfyfleet.server.metrics import attention_repository as repository
from comfyfleet.server.metrics.model_needs import ModelNeeds

ENDED_WITHIN: Final = timedelta(hours=1)
LOST_WITHIN: Final = timedelta(days=1)
"""A worker that fell silent longer ago is not coming back, and nobody needs to look for it."""

REFUSED_WITHIN: Final = timedelta(minutes=5)
"""A worker that is refused starts again every few seconds: one that has not asked for so long is gone."""

_MOST_LOST: Final = 1000


async def find_attention(
    session: AsyncSession, fleets: Sequence[FleetOverview], needs: ModelNeeds, limits: Limits, now: datetime
) -> list[Finding]:
    """Return what needs attention, the most urgent first; `fleets` are all of them, as they stand."""
    conditions = await _conditions(session, fleets, needs, now)
    return attention(conditions, await repository.quarantined(session), limits)


async def _conditions(
    session: AsyncSession, fleets: Sequence[FleetOverview], needs: ModelNeeds, now: datetime
) -> list[FleetCondition]:
    draining = await repository.draining(session)
    lost = await repository.lost_since(session, now - LOST_WITHIN, _MOST_LOST)
    ended = await repository.ended_since(session, now - ENDED_WITHIN)
    refused = await repository.refused_since(session, now - REFUSED_WITHIN)
    without_bundle = await _workflows_without_bundle(session, needs)
    return [
        FleetCondition(
            fleet=f"{fleet.stage}/{fleet.slug}",
            queued=fleet.queued,
            oldest_seconds=(now - (fleet.waiting_since or now)).total_seconds(),
            workers=fleet.workers,
            draining=draining.get(fleet.fleet_id, 0),
            lost=lost.get(fleet.fleet_id, []),
            completed=ended.get((fleet.fleet_id, "completed"), 0),
            failed=ended.get((fleet.fleet_id, "failed"), 0),
            workflows_without_bundle=without_bundle.get(fleet.fleet_id, []),
            refused=refused.get(fleet.fleet_id),
        )
        for fleet in fleets
    ]


async def _workflows_without_bundle(session: AsyncSession, needs: ModelNeeds) -> dict[int, list[str]]:
    served = await repository.served_without_bundle(session)
    has_needs = await needs.of(session, [path for _, _, path in served])
    found: defaultdict[int, list[str]] = defaultdict(list)
    for fleet_id, slug, path in served:
        if has_needs[path]:
            found[fleet_id].append(slug)
    return found
