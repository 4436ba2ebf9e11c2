"""Doing a job again that ended without a result."""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.errors import Conflict
from comfyfleet.core.jobs import JobStatus
from comfyfleet.server.credits import service as credit_service
from comfyfleet.server.fleets import service as fleets
from comfyfleet.server.jobs import admission, repository
from comfyfleet.server.models import Job
from comfyfleet.server.wiring import Wiring

_ENDED_BADLY: Final = {JobStatus.FAILED, JobStatus.CANCELED}


class NothingToRetry(Conflict):
    """The job has not ended, or has its result."""

    code = "nothing_to_retry"


class RetriedAlready(Conflict):
    """A retry of this job is open."""

    code = "retried_already"


async def retry(session: AsyncSession, wiring: Wiring, job: Job) -> Job:
    """Do a failed or canceled job again, which is locked: a new job with the same values, graph, files and cost.

    Its tenant must afford it as any new job, and it goes to the fleet that serves its workflow now; a test run goes to
    the fleet that it was on.

    Raises:
        NothingToRetry: It has not ended, or it has completed.
        RetriedAlready: A retry of it is still open.
        TooManyOpenJobs, CreditsInsufficient: The tenant may not have one more job.
        NoFleetServes: No fleet serves the workflow.
    """
    if JobStatus(job.status) not in _ENDED_BADLY:
        raise NothingToRetry(f"Job {job.id} is {job.status}.", hint="Only a failed or a canceled job is done again.")
    await credit_service.lock(session, job.tenant_id)
    for earlier in await repository.retries_of(session, job.id):
        if not JobStatus(earlier.status).is_final:
            raise RetriedAlready(f"Job {job.id} is being done again as job {earlier.id}.", hint="Wait for that one.")
    await admission.check(session, job.tenant_id, job.credits_cost)
    again = await _copy(session, wiring, job)
    await admission.admit(session, again, f"job {job.id} again")
    return again


async def _copy(session: AsyncSession, wiring: Wiring, job: Job) -> Job:
    now = wiring.clock()
    fleet_id = job.fleet_id
    if not job.effect.is_test:
        fleet_id = await fleets.serving(session, wiring.settings.stage, job.effect.workflow_id)
    return Job(
        tenant_id=job.tenant_id,
        effect=job.effect,
        fleet_id=fleet_id,
        status=JobStatus.QUEUED,
        retry_of=job.id,
        request_hash=job.request_hash,
        priority=job.priority,
        values=job.values,
        words=job.words,
        graph=job.graph,
        files=job.files,
        output_node_id=job.output_node_id,
        output_extension=job.output_extension,
        output_mime_type=job.output_mime_type,
        credits_cost=job.credits_cost,
        attempt=0,
        max_attempts=wiring.settings.max_attempts,
        progress=0.0,
        is_cancel_requested=False,
        queued_at=now,
        available_at=now,
    )
