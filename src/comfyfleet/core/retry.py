"""What becomes of a job whose attempt ended without a result."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class AttemptEnd(StrEnum):
    """How an attempt ended without a result."""

    FAILED = "failed"
    FAILED_RETRYABLE = "failed_retryable"
    LEASE_EXPIRED = "lease_expired"
    HANDED_BACK = "handed_back"


class Verdict(StrEnum):
    """What follows."""

    REQUEUE = "requeue"
    FAIL = "fail"
    CANCEL = "cancel"


@dataclass(frozen=True)
class Decision:
    """The verdict; whether the attempt counts; and from when the job may be leased again (when requeued)."""

    verdict: Verdict
    counts_attempt: bool = True
    available_at: datetime | None = None


def decide(end: AttemptEnd, *, attempt: int, max_attempts: int, is_cancel_requested: bool, now: datetime) -> Decision:
    """Decide after attempt number `attempt` (from 1) of at most `max_attempts` ended at `now`.

    A hand-back does not count. A failed attempt waits 5 s, 10 s, 20 s … at most 5 min before the next, so that a
    machine that refuses everything does not use up a job's attempts in a second; an expired lease has waited already.
    """
    if is_cancel_requested:
        return Decision(Verdict.CANCEL)
    if end is AttemptEnd.HANDED_BACK:
        return Decision(Verdict.REQUEUE, counts_attempt=False, available_at=now)
    if end is AttemptEnd.FAILED or attempt >= max_attempts:
        return Decision(Verdict.FAIL)
    if end is AttemptEnd.LEASE_EXPIRED:
        return Decision(Verdict.REQUEUE, available_at=now)
    delay = timedelta(seconds=min(300, 5 * 2 ** (attempt - 1)))
    return Decision(Verdict.REQUEUE, available_at=now + delay)
