from dataclasses import replace

import pytest

from comfyfleet.core.scaling import FleetStand, figures_of
from comfyfleet.names import Metric

EMPTY = FleetStand(queued=0, processing=0, oldest_seconds=0, workers=0, capacity=0)


def test_a_fleet_at_zero_has_figures_too() -> None:
    assert figures_of(EMPTY) == {
        Metric.QUEUE_DEPTH: 0,
        Metric.BACKLOG_PER_INSTANCE: 0,
        Metric.ACTIVE_WORKERS: 0,
        Metric.AVAILABLE_CAPACITY: 0,
        Metric.OLDEST_JOB_AGE: 0,
        Metric.LEASE_EXPIRED_COUNT: 0,
        Metric.SPOT_INTERRUPTION_COUNT: 0,
    }


def test_the_depth_counts_what_is_queued_and_what_is_processing() -> None:
    assert figures_of(replace(EMPTY, queued=3, processing=2))[Metric.QUEUE_DEPTH] == 5


@pytest.mark.parametrize(("workers", "backlog"), [(0, 6.0), (1, 6.0), (4, 1.5)])
def test_the_backlog_is_shared_by_the_workers_and_whole_without_one(workers: int, backlog: float) -> None:
    stand = replace(EMPTY, queued=5, processing=1, workers=workers)
    assert figures_of(stand)[Metric.BACKLOG_PER_INSTANCE] == backlog


def test_capacity_is_what_workers_could_hold_beyond_their_jobs() -> None:
    assert figures_of(replace(EMPTY, capacity=4, processing=1))[Metric.AVAILABLE_CAPACITY] == 3
    lost = replace(EMPTY, capacity=0, processing=2)  # jobs of workers that are lost
    assert figures_of(lost)[Metric.AVAILABLE_CAPACITY] == 0


def test_durations_and_errors_are_told_only_where_jobs_ended() -> None:
    figures = figures_of(replace(EMPTY, completed=3, failed=1, median_seconds=12.5))
    assert (figures[Metric.JOB_PROCESSING_P50], figures[Metric.ERROR_RATE]) == (12.5, 0.25)
    only_failed = figures_of(replace(EMPTY, failed=2))
    assert Metric.JOB_PROCESSING_P50 not in only_failed
    assert only_failed[Metric.ERROR_RATE] == 1
