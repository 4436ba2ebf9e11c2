"""The verbs of leased work. Every write is guarded by the lease token; one that is not valid changes nothing."""

import asyncio
from datetime import datetime
from math import inf
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet import names
from comfyfleet.core.jobs import (
    JobEvent,
    JobStatus,
    LeaseLost,
    LeaseTimes,
    OutputMissing,
    lease_until,
    output_filename,
)
from comfyfleet.core.retry import AttemptEnd
from comfyfleet.core.secrets import hash_token, new_token
from comfyfleet.core.workers import WorkerStatus
from comfyfleet.protocol import worker as wire
from comfyfleet.server import db
from comfyfleet.server.credits import service as credit_service
from comfyfleet.server.jobs import repository
from comfyfleet.server.jobs.attempts import AttemptError, end_attempt, release
from comfyfleet.server.models import Job, Worker
from comfyfleet.server.notifier import job_topic
from comfyfleet.server.settings import ServerSettings
from comfyfleet.server.wiring import Wiring

LEASE_PREFIX: Final = "cfl"
_RESCUE_BATCH: Final = 100
_SHORTEST_PAUSE_SECONDS: Final = 1.0


async def lease(session: AsyncSession, wiring: Wiring, worker: Worker, max_concurrency: int) -> tuple[Job, str] | None:
    """Give a worker the next job of its fleet with a lease token, or None when there is none for it."""
    if worker.status != WorkerStatus.ACTIVE or await repository.count_held_by(session, worker.id) >= max_concurrency:
        return None
    now = wiring.clock()
    token = new_token(LEASE_PREFIX)
    until = lease_until(now, worker.capabilities, _times(wiring.settings))
    job = await repository.lease_next(session, worker.fleet_id, worker.id, hash_token(token), now=now, until=until)
    if job is None:
        return None
    await repository.add_event(session, job, JobEvent.LEASED, now, worker.worker_id)
    await db.publish(session, job_topic(job.id))
    return job, token


async def seconds_until_available(session: AsyncSession, wiring: Wiring, fleet_id: int) -> float:
    """Return after how many seconds a worker that got nothing should look again by itself.

    A job that waits for its retry becomes available without a notification. One that is available now and was
    not leased is being leased by another, or is not for this worker.
    """
    available_at = await repository.next_available_at(session, fleet_id)
    if available_at is None:
        return inf
    return max(_SHORTEST_PAUSE_SECONDS, (available_at - wiring.clock()).total_seconds())


async def heartbeat(
    session: AsyncSession, wiring: Wiring, worker: Worker, request: wire.HeartbeatRequest
) -> wire.Heartbeat:
    """Renew a lease and record the progress."""
    now = wiring.clock()
    job = await _leased(session, worker, request)
    job.lease_expires_at = lease_until(now, worker.capabilities, _times(wiring.settings))
    if job.started_at is None:
        job.started_at = now
        await repository.add_event(session, job, JobEvent.STARTED, now, worker.worker_id)
    if request.progress is not None:
        job.progress = max(job.progress, request.progress.value)
        job.progress_node = request.progress.node_type or request.progress.node_id
    await session.flush()
    await db.publish(session, job_topic(job.id))
    return wire.Heartbeat(lease_expires_at=job.lease_expires_at, cancel_requested=job.is_cancel_requested)


async def complete(wiring: Wiring, worker: Worker, request: wire.CompleteRequest) -> int:
    """End a job whose output lies in storage, and consume its credits. Return the job's id."""
    async with wiring.sessions.begin() as session:
        key = output_key(await _leased(session, worker, request, lock=False))
    stored = await asyncio.to_thread(wiring.media.head, key)
    if stored is None or stored.size != request.output.size:
        found = "nothing" if stored is None else f"{stored.size} bytes"
        raise OutputMissing(
            f"The output has {request.output.size} bytes by your account, and storage holds {found}.",
            hint="PUT the whole output to output_url, then complete.",
        )
    async with wiring.sessions.begin() as session:
        job = await _leased(session, worker, request)
        await _complete(session, job, key, request, wiring.clock())
    return job.id


async def fail(session: AsyncSession, wiring: Wiring, worker: Worker, request: wire.FailRequest) -> None:
    """End an attempt that failed; the job is retried, failed or canceled by the rules of `core.retry`."""
    job = await _leased(session, worker, request)
    error = AttemptError(
        message=request.error_message.replace("\x00", ""),
        code=request.error_code,
        node_id=request.node_id,
        node_type=request.node_type,
        input_name=request.input_name,
    )
    end = AttemptEnd.FAILED_RETRYABLE if request.retryable else AttemptEnd.FAILED
    await end_attempt(session, job, end, error, wiring.clock())


async def requeue(session: AsyncSession, wiring: Wiring, worker: Worker, request: wire.RequeueRequest) -> None:
    """Put a job back; the attempt is not counted."""
    job = await _leased(session, worker, request)
    await end_attempt(session, job, AttemptEnd.HANDED_BACK, AttemptError(request.reason), wiring.clock())


async def put_back_all(session: AsyncSession, worker: Worker, reason: str, now: datetime) -> None:
    """Put back what a worker still holds, when it registers anew or leaves."""
    for job in await repository.held_by(session, worker.id):
        await end_attempt(session, job, AttemptEnd.HANDED_BACK, AttemptError(reason), now)


async def rescue(session: AsyncSession, wiring: Wiring) -> int:
    """Take back jobs whose leases ran out; return how many."""
    now = wiring.clock()
    jobs = await repository.expired(session, now, _RESCUE_BATCH)
    error = AttemptError("The worker went silent while it rendered.", code="lease_expired")
    for job in jobs:
        await end_attempt(session, job, AttemptEnd.LEASE_EXPIRED, error, now)
    return len(jobs)


def output_key(job: Job) -> str:
    """Return where the output of a job's present attempt belongs."""
    filename = output_filename(job.id, job.attempt, job.output_extension)
    return names.output_key(str(job.tenant_id), job.id, filename)


async def _complete(session: AsyncSession, job: Job, key: str, request: wire.CompleteRequest, now: datetime) -> None:
    release(job)
    job.status = JobStatus.COMPLETED
    job.finished_at = now
    job.progress = 1.0
    job.progress_node = None
    job.provider_job_id = request.provider_job_id
    job.output_key = key
    job.output_size = request.output.size
    job.output_metadata = request.output.metadata
    await session.flush()
    await credit_service.consume(session, job.tenant_id, job.credits_cost, job.id)
    await repository.add_event(session, job, JobEvent.COMPLETED, now)
    await db.publish(session, job_topic(job.id))


async def _leased(session: AsyncSession, worker: Worker, request: wire.Lease, *, lock: bool = True) -> Job:
    token_hash = hash_token(request.lease_token)
    job = await repository.leased(session, worker.id, request.dispatch_id, token_hash, lock=lock)
    if job is None:
        raise LeaseLost(f"Your lease of dispatch {request.dispatch_id} is no longer valid.", hint="Stop working on it.")
    return job


def _times(settings: ServerSettings) -> LeaseTimes:
    return LeaseTimes(silent_seconds=settings.lease_silent_seconds, minimum_seconds=settings.lease_minimum_seconds)
