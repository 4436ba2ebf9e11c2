"""What is told of a fleet every ten seconds, for alarms and policies to decide on: the definition of each figure."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from comfyfleet.names import Metric

LOOK_BACK: Final = timedelta(minutes=5)
"""Durations and errors are of the jobs that ended in this time; in ten seconds there are too few."""


@dataclass(frozen=True)
class FleetStand:
    """How a fleet stands at a moment.

    `workers` are the active ones and `capacity` how many jobs they can hold. `completed`, `failed` and
    `median_seconds` are of the jobs that ended within `LOOK_BACK`; `leases_expired` and `spot_interruptions` happened
    since the moment before.
    """

    queued: int
    processing: int
    oldest_seconds: float
    workers: int
    capacity: int
    completed: int = 0
    failed: int = 0
    median_seconds: float | None = None
    leases_expired: int = 0
    spot_interruptions: int = 0


def figures_of(stand: FleetStand) -> dict[Metric, float]:
    """Return the figures of a moment.

    - `QueueDepth`: queued and processing jobs.
    - `BacklogPerInstance`: `QueueDepth` for each active worker. Without one the whole queue counts as one worker's: a
      fleet at zero is woken by an alarm, and this figure then says how many more it needs.
    - `ActiveWorkers`, and `AvailableCapacity`, the jobs that they could hold beyond those that they have.
    - `OldestJobAge`: seconds that the first queued job has waited.
    - `JobProcessingP50` (seconds) and `ErrorRate` (0 to 1) are left out while no job ended: there is no such figure.
    - `LeaseExpiredCount` and `SpotInterruptionCount`: since the moment before.
    """
    depth = stand.queued + stand.processing
    figures = {
        Metric.QUEUE_DEPTH: float(depth),
        Metric.BACKLOG_PER_INSTANCE: depth / max(1, stand.workers),
        Metric.ACTIVE_WORKERS: float(stand.workers),
        Metric.AVAILABLE_CAPACITY: float(max(0, stand.capacity - stand.processing)),
        Metric.OLDEST_JOB_AGE: stand.oldest_seconds,
        Metric.LEASE_EXPIRED_COUNT: float(stand.leases_expired),
        Metric.SPOT_INTERRUPTION_COUNT: float(stand.spot_interruptions),
    }
    if stand.median_seconds is not None:
        figures[Metric.JOB_PROCESSING_P50] = stand.median_seconds
    if ended := stand.completed + stand.failed:
        figures[Metric.ERROR_RATE] = stand.failed / ended
    return figures
