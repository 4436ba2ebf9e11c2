from datetime import UTC, datetime, timedelta

import pytest

from comfyfleet.core.series import MOST_POINTS, ORIGIN, MetricsRange, steps_of

NOW = datetime(2026, 2, 20, 12, 34, 56, tzinfo=UTC)


@pytest.mark.parametrize("range_", MetricsRange)
@pytest.mark.parametrize("points", [1, 7, 24, MOST_POINTS])
def test_steps_are_equal_cover_the_range_and_hold_now(range_: MetricsRange, points: int) -> None:
    steps = steps_of(range_, points, NOW)
    starts = steps.starts()
    assert len(starts) == steps.count
    assert abs(steps.count - points) <= 1
    assert starts[-1] <= NOW < starts[-1] + steps.step
    assert abs((starts[-1] + steps.step - starts[0]) - range_.length) <= steps.step
    assert (starts[0] - ORIGIN) % steps.step == timedelta(0)


def test_a_moment_later_the_steps_are_the_same() -> None:
    assert steps_of(MetricsRange.DAY, 24, NOW) == steps_of(MetricsRange.DAY, 24, NOW + timedelta(minutes=20))


def test_an_hour_of_a_chart_has_steps_of_twenty_seconds() -> None:
    steps = steps_of(MetricsRange.HOUR, MOST_POINTS, NOW)
    assert (steps.step, steps.count) == (timedelta(seconds=20), 180)
