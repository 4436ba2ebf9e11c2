"""How an attempt at a job ends without a result: retried, failed or canceled, with the credits settled."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.jobs import JobEvent, JobStatus
from comfyfleet.core.retry import AttemptEnd, Decision, Verdict, decide
from comfyfleet.server import db
from comfyfleet.server.credits import service as credit_service
from comfyfleet.server.jobs import repository
from comfyfleet.server.models import Job
from comfyfleet.server.notifier import fleet_topic, job_topic

_EVENT_OF_END: Final = {
    AttemptEnd.FAILED: JobEvent.RETRIED,
    AttemptEnd.FAILED_RETRYABLE: JobEvent.RETRIED,
    AttemptEnd.LEASE_EXPIRED: JobEvent.LEASE_EXPIRED,
    AttemptEnd.HANDED_BACK: JobEvent.REQUEUED,
}


@dataclass(frozen=True)
class AttemptError:
    """Why an attempt ended, and at which node and input."""

    message: str
    code: str | None = None
    node_id: str | None = None
    node_type: str | None = None
    input_name: str | None = None


async def end_attempt(session: AsyncSession, job: Job, end: AttemptEnd, error: AttemptError, now: datetime) -> None:
    """Apply the rules of `core.retry` to a job that is locked and being processed."""
    decision = decide(
        end,
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        is_cancel_requested=job.is_cancel_requested,
        now=now,
    )
    release(job)
    match decision.verdict:
        case Verdict.REQUEUE:
            await _requeue(session, job, end, decision, error, now)
        case Verdict.FAIL:
            await _fail(session, job, error, now)
        case Verdict.CANCEL:
            await cancel(session, job, now)


async def cancel(session: AsyncSession, job: Job, now: datetime) -> None:
    """End a job at its owner's wish and give the credits back."""
    await _finish(session, job, JobStatus.CANCELED, JobEvent.CANCELED, now)
    await credit_service.refund(session, job.tenant_id, job.credits_cost, job.id)


def release(job: Job) -> None:
    """End a job's lease."""
    job.lease_token_hash = None
    job.lease_expires_at = None


async def _requeue(
    session: AsyncSession, job: Job, end: AttemptEnd, decision: Decision, error: AttemptError, now: datetime
) -> None:
    job.status = JobStatus.QUEUED
    job.queued_at = now
    job.available_at = decision.available_at or now
    job.worker_id = None
    job.progress = 0.0
    job.progress_node = None
    await repository.add_event(session, job, _EVENT_OF_END[end], now, error.message)
    if not decision.counts_attempt:
        job.attempt -= 1
    await session.flush()
    await db.publish(session, fleet_topic(job.fleet_id))
    await db.publish(session, job_topic(job.id))


async def _fail(session: AsyncSession, job: Job, error: AttemptError, now: datetime) -> None:
    job.error_message = error.message
    job.error_code = error.code
    job.error_node_id = error.node_id
    job.error_node_type = error.node_type
    job.error_input_name = error.input_name
    await _finish(session, job, JobStatus.FAILED, JobEvent.FAILED, now, error.message)
    await credit_service.refund(session, job.tenant_id, job.credits_cost, job.id)


async def _finish(
    session: AsyncSession, job: Job, status: JobStatus, event: JobEvent, now: datetime, detail: str = ""
) -> None:
    job.status = status
    job.finished_at = now
    await session.flush()
    await repository.add_event(session, job, event, now, detail)
    await db.publish(session, job_topic(job.id))
