"""The attempts at a job, as its timeline tells them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from comfyfleet.core.jobs import JobEvent

_ENDS: Final = {
    JobEvent.REQUEUED,
    JobEvent.RETRIED,
    JobEvent.LEASE_EXPIRED,
    JobEvent.COMPLETED,
    JobEvent.FAILED,
    JobEvent.CANCELED,
}


@dataclass(frozen=True)
class Moment:
    """One line of a timeline."""

    at: datetime
    event: JobEvent
    attempt: int
    detail: str


@dataclass(frozen=True)
class Attempt:
    """One worker's try. `end` says how it ended, None while it goes on; a requeued one is not counted in `number`."""

    number: int
    worker_id: str
    leased_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    end: JobEvent | None = None
    detail: str = ""


def attempts_of(timeline: Iterable[Moment]) -> list[Attempt]:
    """Return the attempts, oldest first, of a timeline that is in order."""
    attempts: list[Attempt] = []
    for moment in timeline:
        if moment.event is JobEvent.LEASED:
            attempts.append(Attempt(number=moment.attempt, worker_id=moment.detail, leased_at=moment.at))
        elif attempts and attempts[-1].end is None:
            attempts[-1] = _after(attempts[-1], moment)
    return attempts


def _after(attempt: Attempt, moment: Moment) -> Attempt:
    if moment.event is JobEvent.STARTED:
        return replace(attempt, started_at=moment.at)
    if moment.event in _ENDS:
        return replace(attempt, ended_at=moment.at, end=moment.event, detail=moment.detail)
    return attempt
