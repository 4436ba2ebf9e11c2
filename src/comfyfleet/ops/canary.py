"""Whether a machine does its work: its worker is registered, and renders a test run."""

from collections.abc import Mapping
from typing import Final, Protocol

from comfyfleet.client.errors import Refused
from comfyfleet.client.jobs import JobsPlane
from comfyfleet.client.workers import WorkerPlane
from comfyfleet.client.workflows import WorkflowPlane
from comfyfleet.core.jobs import JobEvent, JobStatus
from comfyfleet.core.properties import Scalar
from comfyfleet.core.workers import WorkerStatus
from comfyfleet.ops.errors import CanaryFailed, WaitTimedOut
from comfyfleet.ops.tools import Cloud
from comfyfleet.ops.waiting import wait_for
from comfyfleet.protocol.jobs import JobDetail

_MOST_AT_ONCE: Final = 10
_PAUSE_SECONDS: Final = 3
_GOOD_ENDS: Final = {JobEvent.COMPLETED, JobEvent.REQUEUED, JobEvent.CANCELED}


class Bench(Protocol):
    """What a proof needs of a control plane: asked over HTTP by a command, and directly by the control plane itself."""

    def worker_status(self, instance_id: str) -> WorkerStatus | None:
        """Return the state of a machine's worker, or None when there is none."""
        ...

    def run_test(self, workflow: str, fleet: str, values: Mapping[str, Scalar]) -> int:
        """Queue a workflow on a fleet at no cost; return the job's id."""
        ...

    def job(self, job_id: int) -> JobDetail:
        """Return a job with its attempts."""
        ...

    def drop(self, job_id: int) -> None:
        """Cancel a job; one that has ended is no error."""
        ...


class OperatorPlane(WorkflowPlane, WorkerPlane, JobsPlane):
    """What an operator asks a control plane of workflows, workers and jobs."""


class PlaneBench:
    """A control plane over HTTP."""

    def __init__(self, plane: OperatorPlane) -> None:
        self._plane = plane

    def worker_status(self, instance_id: str) -> WorkerStatus | None:
        """Return the state of a machine's worker."""
        try:
            return self._plane.worker(instance_id).status
        except Refused as error:
            if error.status != 404:
                raise
            return None

    def run_test(self, workflow: str, fleet: str, values: Mapping[str, Scalar]) -> int:
        """Queue a workflow on a fleet."""
        return self._plane.run_test(workflow, fleet, dict(values)).id

    def job(self, job_id: int) -> JobDetail:
        """Return a job."""
        return self._plane.inspect_job(job_id)

    def drop(self, job_id: int) -> None:
        """Cancel a job."""
        try:
            self._plane.cancel_any_job(job_id)
        except Refused as error:
            if error.status != 409:  # it has ended meanwhile
                raise


class RenderProof:
    """Lets a machine render.

    Test runs go to the fleet, and any worker may take one: they are repeated, as many at once as the fleet has
    machines, until the machine in question has taken one.
    """

    def __init__(self, bench: Bench, cloud: Cloud, fleet: str, workflow: str, values: Mapping[str, Scalar]) -> None:
        self._bench = bench
        self._cloud = cloud
        self._fleet = fleet
        self._workflow = workflow
        self._values = dict(values)

    def is_registered(self, instance_id: str) -> bool:
        """Tell whether the machine's worker is active; a control plane that does not know it says no."""
        return self._bench.worker_status(instance_id) is WorkerStatus.ACTIVE

    def render(self, instance_id: str, *, among: int, timeout_seconds: float) -> int:
        """Let the machine render a test run; return the job's id."""
        deadline = self._cloud.now().timestamp() + timeout_seconds
        open_jobs: list[int] = []
        try:
            while (left := deadline - self._cloud.now().timestamp()) > 0:
                count = min(max(among, 1), _MOST_AT_ONCE)
                open_jobs.extend(self._bench.run_test(self._workflow, self._fleet, self._values) for _ in range(count))
                while open_jobs:
                    job = self._end_of(open_jobs[0], left)
                    open_jobs.pop(0)
                    if _is_proof(job, instance_id):
                        return job.id
        except WaitTimedOut as error:
            raise self._not_reached(instance_id) from error
        finally:
            for job_id in open_jobs:
                self._bench.drop(job_id)
        raise self._not_reached(instance_id)

    def _end_of(self, job_id: int, timeout_seconds: float) -> JobDetail:
        def ask() -> JobDetail | None:
            job = self._bench.job(job_id)
            return job if job.status.is_final else None

        return wait_for(
            self._cloud, f"Test job {job_id}", ask, timeout_seconds=timeout_seconds, pause_seconds=_PAUSE_SECONDS
        )

    def _not_reached(self, instance_id: str) -> CanaryFailed:
        return CanaryFailed(
            f"No test job was rendered on {instance_id} in time.",
            hint="See comfyfleet workers show, and whether the queue is long.",
        )


def _is_proof(job: JobDetail, instance_id: str) -> bool:
    """Tell whether the machine rendered a job; raise `CanaryFailed` when it had it and did not."""
    tries = [attempt for attempt in job.attempts if attempt.worker_id == instance_id]
    for attempt in tries:
        if attempt.end not in _GOOD_ENDS:
            raise CanaryFailed(
                f"{instance_id} did not render test job {job.id}: {attempt.detail or attempt.end or 'no end is known'}",
                hint=f"See comfyfleet jobs inspect {job.id}.",
            )
    return job.status is JobStatus.COMPLETED and any(attempt.end is JobEvent.COMPLETED for attempt in tries)
