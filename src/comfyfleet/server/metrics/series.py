"""A fleet over time."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.series import MetricsRange, steps_of
from comfyfleet.protocol.metrics import FleetPoint, FleetSeries
from comfyfleet.server.metrics import series_repository as repository
from comfyfleet.server.metrics.series_repository import Ended, Standing
from comfyfleet.server.models import Fleet

_NONE_ENDED = Ended(completed=0, failed=0, median_seconds=None, p95_seconds=None)


async def series_of(
    session: AsyncSession, fleet: Fleet, range_: MetricsRange, *, points: int, now: datetime
) -> FleetSeries:
    """Return how a fleet stood, in about `points` equal steps until now."""
    steps = steps_of(range_, points, now)
    standings = await repository.standings(session, fleet.id, steps)
    ended = await repository.ended(session, fleet.id, steps)
    return FleetSeries(
        fleet_slug=fleet.slug,
        stage=fleet.stage,
        range=range_,
        step_seconds=int(steps.step.total_seconds()),
        points=[_point(at, standings.get(at), ended.get(at, _NONE_ENDED)) for at in steps.starts()],
    )


def _point(at: datetime, standing: Standing | None, ended: Ended) -> FleetPoint:
    return FleetPoint(
        at=at,
        queued=_rounded(standing.queued if standing else None),
        processing=_rounded(standing.processing if standing else None),
        oldest_seconds=_rounded(standing.oldest_seconds if standing else None),
        workers=_rounded(standing.workers if standing else None),
        capacity=_rounded(standing.capacity if standing else None),
        desired=_rounded(standing.desired if standing else None),
        completed=ended.completed,
        failed=ended.failed,
        median_seconds=_rounded(ended.median_seconds),
        p95_seconds=_rounded(ended.p95_seconds),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 2)
