"""What a cloud says about the end of a machine, and what that means for the jobs on it."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from comfyfleet.core.jobs import SPOT_INTERRUPTION


class NoticeKind(StrEnum):
    """Why a machine may go. The value is the reason that jobs are put back with."""

    SPOT = SPOT_INTERRUPTION
    SCALE_IN = "scale-in"
    REBALANCE = "rebalance"


@dataclass(frozen=True)
class Notice:
    """What the cloud said; `ends_at` is when the machine is gone, where that is known."""

    kind: NoticeKind
    ends_at: datetime | None = None

    @property
    def is_departure(self) -> bool:
        """Whether the machine goes for certain."""
        return self.kind is not NoticeKind.REBALANCE


SPOT_NOTICE: Final = timedelta(minutes=2)
"""https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html"""

LAST_SECONDS: Final = 20.0
"""What is kept of a machine's time to put its jobs back and to leave."""

_TELLING_PROGRESS: Final = 0.1
"""Below it, progress says too little of how long the rest takes."""


def read_notice(
    spot_action: str | None, target_state: str | None, rebalance: str | None, now: datetime
) -> Notice | None:
    """Return the gravest of what the metadata service says; each argument is a page, or None where there is none.

    The pages are `spot/instance-action`, `autoscaling/target-lifecycle-state` and `events/recommendations/rebalance`:
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-categories.html
    """
    if spot_action is not None:
        return Notice(NoticeKind.SPOT, _time_of(spot_action) or now + SPOT_NOTICE)
    if target_state is not None and target_state.strip() == "Terminated":
        return Notice(NoticeKind.SCALE_IN)
    return Notice(NoticeKind.REBALANCE) if rebalance is not None else None


def must_go_back(notice: Notice, now: datetime, elapsed_seconds: float, progress: float | None) -> bool:
    """Tell whether a job is put back now: the machine's time is over, or the job cannot end in what is left of it.

    Args:
        notice: Why the machine goes; without an end it waits for its jobs.
        now: The time, aware.
        elapsed_seconds: How long the job has run here.
        progress: How far it is, from 0 to 1, or None where that is not known.
    """
    if not notice.is_departure or notice.ends_at is None:
        return False
    left = (notice.ends_at - now).total_seconds() - LAST_SECONDS
    if left <= 0:
        return True
    if progress is None or progress < _TELLING_PROGRESS:
        return False
    return elapsed_seconds * (1 - progress) / progress > left


def _time_of(page: str) -> datetime | None:
    try:
        document: Any = json.loads(page)
        at = datetime.fromisoformat(document["time"])
    except (ValueError, TypeError, KeyError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
