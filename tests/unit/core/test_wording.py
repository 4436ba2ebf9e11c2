"""Figures in words."""

from datetime import UTC, datetime, timedelta

import pytest

from comfyfleet.core.wording import ago_text, count_text, size_text, span_text

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("size", "text"), [(None, "-"), (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (6_938_078_334, "6.9 GB")]
)
def test_a_size_has_a_unit(size: int | None, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0, "0 s"),
        (4.23, "4.2 s"),
        (42.4, "42 s"),
        (125, "2 min 5 s"),
        (7500, "2 h 5 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_a_span_has_at_most_two_units(seconds: float | None, text: str) -> None:
    assert span_text(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(1, "just now"), (30, "30 s ago"), (300, "5 min ago"), (200000, "2 d ago")]
)
def test_a_moment_is_so_long_ago(seconds: float, text: str) -> None:
    assert ago_text(NOW - timedelta(seconds=seconds), NOW) == text


def test_what_never_was_is_not_long_ago() -> None:
    assert ago_text(None, NOW) == "never"


def test_a_count_agrees_with_its_noun() -> None:
    assert (count_text(1, "job"), count_text(1200, "job")) == ("1 job", "1,200 jobs")
