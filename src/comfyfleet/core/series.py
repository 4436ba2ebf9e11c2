"""Ranges of time that are looked back on, and the equal steps that they are cut into."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

MOST_POINTS: Final = 180
"""As many as a chart has room for; more would be drawn over each other."""


class MetricsRange(StrEnum):
    """How far back to look."""

    HOUR = "1h"
    SIX_HOURS = "6h"
    DAY = "24h"
    WEEK = "7d"

    @property
    def length(self) -> timedelta:
        """How long this is."""
        return _LENGTHS[self]


_LENGTHS: Final = {
    MetricsRange.HOUR: timedelta(hours=1),
    MetricsRange.SIX_HOURS: timedelta(hours=6),
    MetricsRange.DAY: timedelta(days=1),
    MetricsRange.WEEK: timedelta(days=7),
}
ORIGIN: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Steps are counted from here, so that looking again a moment later gives the same ones."""


@dataclass(frozen=True)
class Steps:
    """Equal steps of time, one after the other; the last one is not over yet."""

    first: datetime
    step: timedelta
    count: int

    def starts(self) -> list[datetime]:
        """Return when each step begins."""
        return [self.first + index * self.step for index in range(self.count)]


def steps_of(range_: MetricsRange, points: int, now: datetime) -> Steps:
    """Cut the range that ends at `now` into about `points` steps of whole seconds."""
    step = timedelta(seconds=max(1, round(range_.length.total_seconds() / points)))
    last = ORIGIN + (now - ORIGIN) // step * step
    count = range_.length // step
    return Steps(first=last - (count - 1) * step, step=step, count=count)
