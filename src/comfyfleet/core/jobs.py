"""Jobs: their states, what may follow what, and how long a lease holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from comfyfleet.core.errors import Conflict, Invalid

DEFAULT_MAX_ATTEMPTS: Final = 3
MIN_PRIORITY: Final = -100
MAX_PRIORITY: Final = 100


class JobStatus(StrEnum):
    """`queued → processing → completed | failed | canceled`."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def is_final(self) -> bool:
        """Whether nothing follows."""
        return self in {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED}


class JobEvent(StrEnum):
    """What a job's timeline records."""

    QUEUED = "queued"
    LEASED = "leased"
    STARTED = "started"
    REQUEUED = "requeued"
    RETRIED = "retried"
    LEASE_EXPIRED = "lease_expired"
    CANCEL_REQUESTED = "cancel_requested"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


SPOT_INTERRUPTION: Final = "spot-interruption"
"""Reason of a worker that puts a job back since its machine is taken away."""


class LeaseLost(Conflict):
    """The lease token is no longer valid; nothing was changed."""

    code = "lease_lost"


class JobFinished(Conflict):
    """The job has ended and cannot be changed."""

    code = "job_finished"


class OutputMissing(Invalid):
    """A worker says that a job is complete, but its output is not in storage as described."""

    code = "output_missing"


@dataclass(frozen=True)
class LeaseTimes:
    """How long a lease holds.

    `silent_seconds` is for a worker that does not heartbeat while it renders, so it must cover a whole render;
    `missed_heartbeats` is how many intervals a worker that does may be silent, never under `minimum_seconds`.
    """

    silent_seconds: float = 3600
    missed_heartbeats: float = 4
    minimum_seconds: float = 20


def lease_until(now: datetime, capabilities: Mapping[str, object], times: LeaseTimes) -> datetime:
    """Return when a lease that a worker of these capabilities takes or renews at `now` ends.

    A worker that promises `heartbeat_interval_seconds` gets a short lease; one that promises nothing a long one.
    """
    interval = capabilities.get("heartbeat_interval_seconds")
    if isinstance(interval, bool) or not isinstance(interval, int | float) or interval <= 0:
        return now + timedelta(seconds=times.silent_seconds)
    seconds = min(times.silent_seconds, max(times.minimum_seconds, interval * times.missed_heartbeats))
    return now + timedelta(seconds=seconds)


def output_filename(job_id: int, attempt: int, extension: str) -> str:
    """Name a job's output. It carries the attempt: a late worker cannot overwrite a newer worker's file."""
    return f"output-{job_id}-{attempt}.{extension}"


def output_prefix(job_id: int, attempt: int) -> str:
    """ComfyUI's `filename_prefix` folder for one attempt at a job."""
    return f"comfyfleet/job-{job_id}-{attempt}"
