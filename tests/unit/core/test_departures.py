from datetime import UTC, datetime, timedelta

import pytest

from comfyfleet.core.departures import Notice, NoticeKind, must_go_back, read_notice

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SPOT = '{"action": "terminate", "time": "2026-03-01T12:01:40Z"}'


def in_seconds(seconds: float) -> Notice:
    return Notice(NoticeKind.SPOT, NOW + timedelta(seconds=seconds))


def test_nothing_said_is_no_notice() -> None:
    assert read_notice(None, None, None, NOW) is None
    assert read_notice(None, "InService", None, NOW) is None


def test_the_gravest_word_counts() -> None:
    assert read_notice(SPOT, "Terminated", "{}", NOW) == in_seconds(100)
    assert read_notice(None, "Terminated\n", "{}", NOW) == Notice(NoticeKind.SCALE_IN)
    assert read_notice(None, "InService", "{}", NOW) == Notice(NoticeKind.REBALANCE)


@pytest.mark.parametrize("page", ["", "no JSON", "[]", "{}", '{"time": 3}', '{"time": "soon"}'])
def test_a_spot_notice_that_makes_no_sense_is_one_all_the_same(page: str) -> None:
    assert read_notice(page, None, None, NOW) == in_seconds(120)


@pytest.mark.parametrize(
    ("left", "elapsed", "progress", "goes_back"),
    [
        (120, 60, 0.5, False),  # a minute more, of a hundred seconds
        (120, 60, 0.3, True),  # 140 seconds more
        (120, 5, 0.01, False),  # too early to tell
        (120, 500, None, False),
        (20, 60, 0.99, True),  # the time is over
        (-5, 60, None, True),
    ],
)
def test_a_job_goes_back_when_it_cannot_end_in_the_time_that_is_left(
    left: float, elapsed: float, progress: float | None, goes_back: bool
) -> None:
    assert must_go_back(in_seconds(left), NOW, elapsed, progress) is goes_back


def test_a_group_waits_for_jobs_and_a_recommendation_ends_none() -> None:
    for kind in (NoticeKind.SCALE_IN, NoticeKind.REBALANCE):
        assert not must_go_back(Notice(kind), NOW, 3600, 0.01)
