import pytest

from comfyfleet.core.estimates import Queue, Running, average, remaining, typical, waiting


def test_without_finished_jobs_nothing_is_typical() -> None:
    assert (typical([]), average([])) == (None, None)
    assert (typical([1, 2, 30]), average([1, 2, 30])) == (2, 11)


@pytest.mark.parametrize(
    ("elapsed", "progress", "typical_seconds", "left"),
    [
        (5, 0.0, None, None),
        (5, 0.01, None, None),
        (5, 0.5, None, 5),
        (5, 0.0, 30, 25),
        (5, 0.5, 30, 0.5 * 5 + 0.5 * 25),
        (40, 0.0, 30, 4),
        (10, 1.0, 30, 0),
    ],
)
def test_what_is_left_follows_from_progress_and_from_what_others_took(
    elapsed: float, progress: float, typical_seconds: float | None, left: float | None
) -> None:
    assert remaining(Running(elapsed, progress, typical_seconds)) == left


@pytest.mark.parametrize(
    ("ahead", "capacity", "remaining_seconds", "wait"),
    [
        (0, 0, [], None),
        (0, 1, [], 0),
        (0, 1, [4], 4),
        (2, 1, [4], 4 + 2 * 10),
        (0, 2, [4], 0),
        (1, 2, [4], 4),
        (2, 2, [4], 10),
        (3, 2, [4], 14),
        (0, 2, [9, 3, 6], 3),
    ],
)
def test_a_queued_job_waits_for_a_place(
    ahead: int, capacity: int, remaining_seconds: list[float], wait: float | None
) -> None:
    assert waiting(Queue(ahead, capacity, remaining_seconds, average_seconds=10)) == wait
