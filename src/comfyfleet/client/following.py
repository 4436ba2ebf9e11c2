"""Follows a job to its end, over broken streams and short absences of the server."""

import time
from collections.abc import Iterator

from comfyfleet.client.api import ControlPlane
from comfyfleet.client.errors import Refused, Unreachable
from comfyfleet.protocol.api import JobView


def follow(
    plane: ControlPlane, job_id: int, *, patience_seconds: float = 60, pause_seconds: float = 1
) -> Iterator[JobView]:
    """Yield the job now and at each change that is seen, up to and with its final state.

    A stream that breaks or that a proxy holds back is opened again; each time the job is also asked for once, so that
    a stream that never works amounts to polling.

    Raises:
        Unreachable: The server was away for `patience_seconds`.
        Refused: The job is not the caller's to see.
    """
    last: JobView | None = None
    seen_at = time.monotonic()
    while True:
        try:
            for job in _look(plane, job_id):
                seen_at = time.monotonic()
                if job != last:
                    yield job
                last = job
                if job.status.is_final:
                    return
        except (Refused, Unreachable) as error:
            if not _may_pass(error) or time.monotonic() - seen_at > patience_seconds:
                raise
        time.sleep(pause_seconds)


def _look(plane: ControlPlane, job_id: int) -> Iterator[JobView]:
    yield plane.job(job_id)
    yield from plane.job_events(job_id)


def _may_pass(error: Refused | Unreachable) -> bool:
    return isinstance(error, Unreachable) or error.status >= 500
