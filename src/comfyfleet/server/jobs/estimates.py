"""How long the jobs on a page will still take."""

from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core import estimates as rules
from comfyfleet.core.jobs import JobStatus
from comfyfleet.server.jobs import estimate_repository as repository
from comfyfleet.server.models import Job

_LAST_JOBS: Final = 200
"""How many of the last jobs of a fleet, and of an effect, are looked at."""
_MAX_HELD: Final = 1000


@dataclass(frozen=True)
class _Fleet:
    durations: list[tuple[int, float]]
    average: float | None
    capacity: int
    held: list[repository.Held]


class Estimator:
    """Estimates in one transaction, at one moment: what tells of a fleet and of an effect is read once."""

    def __init__(self, session: AsyncSession, now: datetime) -> None:
        self._session = session
        self._now = now
        self._fleets: dict[int, _Fleet] = {}
        self._typical: dict[tuple[int, int], float | None] = {}

    async def seconds(self, job: Job, queue_position: int | None) -> int | None:
        """Return in how many seconds an open job will be done; None when nothing is known of that."""
        left = None
        if job.status == JobStatus.PROCESSING:
            left = await self._remaining(job.fleet_id, repository.Held(job.effect_id, job.progress, job.leased_at))
        elif job.status == JobStatus.QUEUED and queue_position is not None:
            left = await self._queued(job, queue_position)
        return None if left is None else ceil(left)

    async def _queued(self, job: Job, queue_position: int) -> float | None:
        fleet = await self._fleet(job.fleet_id)
        own = await self._typical_of(job.fleet_id, job.effect_id)
        if own is None:
            return None
        average = fleet.average or own
        left = [await self._remaining(job.fleet_id, held) for held in fleet.held]
        wait = rules.waiting(
            rules.Queue(
                ahead=queue_position - 1,
                capacity=fleet.capacity,
                remaining_seconds=[average / 2 if seconds is None else seconds for seconds in left],
                average_seconds=average,
            )
        )
        not_before = (job.available_at - self._now).total_seconds()
        return None if wait is None else max(wait, not_before) + own

    async def _remaining(self, fleet_id: int, held: repository.Held) -> float | None:
        elapsed = 0.0 if held.leased_at is None else max(0.0, (self._now - held.leased_at).total_seconds())
        typical = await self._typical_of(fleet_id, held.effect_id)
        return rules.remaining(rules.Running(elapsed, held.progress, typical))

    async def _typical_of(self, fleet_id: int, effect_id: int) -> float | None:
        key = (fleet_id, effect_id)
        if key not in self._typical:
            durations = [seconds for effect, seconds in (await self._fleet(fleet_id)).durations if effect == effect_id]
            if not durations:
                durations = await repository.durations_of_effect(self._session, effect_id, _LAST_JOBS)
            self._typical[key] = rules.typical(durations)
        return self._typical[key]

    async def _fleet(self, fleet_id: int) -> _Fleet:
        if fleet_id not in self._fleets:
            durations = await repository.durations_of_fleet(self._session, fleet_id, _LAST_JOBS)
            self._fleets[fleet_id] = _Fleet(
                durations=durations,
                average=rules.average([seconds for _, seconds in durations]),
                capacity=await repository.capacity(self._session, fleet_id),
                held=await repository.held(self._session, fleet_id, _MAX_HELD),
            )
        return self._fleets[fleet_id]
