"""How long jobs will still take: from what others took, their place in the queue, and how far they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Final

_MEANINGFUL_PROGRESS: Final = 0.02
_OVERDUE_SHARE: Final = 0.1
"""What is still expected of a job that takes longer than usual, as a share of what it has taken."""


@dataclass(frozen=True)
class Running:
    """A job that is being processed: for how long, how far it is (0 to 1), and what its like usually takes."""

    elapsed_seconds: float
    progress: float
    typical_seconds: float | None


@dataclass(frozen=True)
class Queue:
    """What stands before a queued job.

    `ahead` are the queued jobs before it, `capacity` is how many jobs the fleet's workers can hold, `remaining_seconds`
    how long each job that they hold will still take, and `average_seconds` what the fleet's jobs take.
    """

    ahead: int
    capacity: int
    remaining_seconds: Sequence[float]
    average_seconds: float


def typical(durations: Sequence[float]) -> float | None:
    """Return what one job like these will take, in seconds; None when there are none."""
    return median(durations) if durations else None


def average(durations: Sequence[float]) -> float | None:
    """Return what each of many such jobs takes on average, in seconds; None when there are none."""
    return fmean(durations) if durations else None


def remaining(job: Running) -> float | None:
    """Return for how many seconds a job will still be processed; None when nothing tells.

    Its own progress counts the more, the further it is.
    """
    by_progress = None
    if job.progress >= _MEANINGFUL_PROGRESS:
        by_progress = job.elapsed_seconds * (1 - job.progress) / job.progress
    if job.typical_seconds is None:
        return by_progress
    by_others = max(job.typical_seconds - job.elapsed_seconds, job.elapsed_seconds * _OVERDUE_SHARE)
    if by_progress is None:
        return by_others
    return job.progress * by_progress + (1 - job.progress) * by_others


def waiting(queue: Queue) -> float | None:
    """Return in how many seconds a queued job begins; None when no worker is there to take it.

    Each place takes the next job when its own is done. With jobs that take the average, all places have taken one
    more after that time, so that whole rounds need not be played through.
    """
    if queue.capacity <= 0:
        return None
    busy = sorted(queue.remaining_seconds)[: queue.capacity]
    places = [0.0] * (queue.capacity - len(busy)) + busy
    rounds, place = divmod(queue.ahead, queue.capacity)
    return places[place] + rounds * queue.average_seconds
