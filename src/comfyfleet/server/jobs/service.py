"""What the owner of a job can do with it, and how it is shown."""

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.cloud.ports import SignedRequest
from comfyfleet.core.errors import NotFound
from comfyfleet.core.jobs import JobEvent, JobFinished, JobStatus
from comfyfleet.protocol.api import JobErrorView, JobView
from comfyfleet.server import db
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.jobs import repository
from comfyfleet.server.jobs.attempts import cancel as cancel_now
from comfyfleet.server.jobs.estimates import Estimator
from comfyfleet.server.models import Job
from comfyfleet.server.notifier import job_topic
from comfyfleet.server.wiring import Wiring


class JobNotFound(NotFound):
    """No such job of this tenant."""

    code = "job_not_found"


async def find(session: AsyncSession, principal: Principal, job_id: int, *, lock: bool = False) -> Job:
    """Return a job of the caller's tenant; raise `JobNotFound`."""
    job = await repository.of_tenant(session, principal.tenant_id, job_id, lock=lock)
    if job is None:
        raise JobNotFound(f"There is no job {job_id}.", hint="List yours with `comfyfleet jobs`.")
    return job


async def cancel(session: AsyncSession, wiring: Wiring, principal: Principal, job_id: int) -> Job:
    """Cancel a queued job at once; ask the worker of a running one to stop."""
    job = await find(session, principal, job_id, lock=True)
    await stop(session, wiring, job)
    return job


async def stop(session: AsyncSession, wiring: Wiring, job: Job) -> bool:
    """Cancel a job that is locked, as `cancel` does; tell whether that was not asked for before."""
    status = JobStatus(job.status)
    if status is JobStatus.CANCELED or job.is_cancel_requested:
        return False
    if status.is_final:
        raise JobFinished(f"Job {job.id} has ended: it is {status}.", hint="There is nothing to cancel.")
    now = wiring.clock()
    job.is_cancel_requested = True
    if status is JobStatus.QUEUED:
        await cancel_now(session, job, now)
    else:
        await repository.add_event(session, job, JobEvent.CANCEL_REQUESTED, now)
        await db.publish(session, job_topic(job.id))
    return True


async def view(session: AsyncSession, wiring: Wiring, job: Job, estimator: Estimator | None = None) -> JobView:
    """Return a job as its owner sees it. `output_url` may be a path on this control plane.

    A list gives the same `estimator` for all of its jobs.
    """
    position = await repository.queue_position(session, job) if job.status == JobStatus.QUEUED else None
    estimator = estimator or Estimator(session, wiring.clock())
    output = signed_output(wiring, job)
    return JobView(
        id=job.id,
        effect=job.effect.slug,
        effect_name=job.effect.name,
        status=JobStatus(job.status),
        values=job.values,
        priority=job.priority,
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        progress=job.progress,
        progress_node=job.progress_node,
        credits_cost=job.credits_cost,
        cancel_requested=job.is_cancel_requested,
        queue_position=position,
        estimated_seconds=await estimator.seconds(job, position),
        error=_error(job),
        output_url=output.url if output else None,
        output_size=job.output_size,
        output_mime_type=job.output_mime_type,
        created_at=job.created_at,
        queued_at=job.queued_at,
        leased_at=job.leased_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
    )


def signed_output(wiring: Wiring, job: Job) -> SignedRequest | None:
    """Sign the request for a job's output, or return None while there is none."""
    if job.output_key is None:
        return None
    filename = f"{job.effect.slug}-{job.id}.{job.output_extension}"
    return wiring.media.sign_get(
        job.output_key, expires_seconds=wiring.settings.download_url_seconds, filename=filename
    )


def _error(job: Job) -> JobErrorView | None:
    if job.error_message is None:
        return None
    return JobErrorView(
        message=job.error_message,
        code=job.error_code,
        node_id=job.error_node_id,
        node_type=job.error_node_type,
        input_name=job.error_input_name,
    )
