"""Jobs over HTTP, for their owners."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.jobs import JobStatus
from comfyfleet.protocol import api
from comfyfleet.protocol.envelope import Envelope, Page
from comfyfleet.server.auth.dependencies import Before, RowId, SignedIn, Transaction, WiringDep, absolute
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.jobs import repository, service
from comfyfleet.server.jobs.detail import event_view
from comfyfleet.server.jobs.enqueue import enqueue
from comfyfleet.server.jobs.estimates import Estimator
from comfyfleet.server.models import Job
from comfyfleet.server.notifier import job_topic, wait_for
from comfyfleet.server.wiring import Wiring

router = APIRouter(prefix="/api/jobs", tags=["jobs"])

KEEP_ALIVE_SECONDS: Final = 15.0

IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=200)]


@router.post("", status_code=201)
async def submit_job(
    body: api.NewJob,
    request: Request,
    response: Response,
    principal: SignedIn,
    wiring: WiringDep,
    idempotency_key: IdempotencyKey = None,
) -> Envelope[api.JobView]:
    """Submit a job; the same idempotency key again returns the first job, with 200."""
    job, is_new = await enqueue(wiring, principal, body, idempotency_key)
    if not is_new:
        response.status_code = 200
    async with wiring.sessions.begin() as session:
        return Envelope(data=await job_view(request, session, wiring, job))


@router.get("")
async def list_jobs(
    request: Request,
    principal: SignedIn,
    session: Transaction,
    wiring: WiringDep,
    before: Before = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    status: JobStatus | None = None,
) -> Envelope[Page[api.JobView]]:
    """List the tenant's jobs, newest first."""
    jobs = await repository.page(session, principal.tenant_id, before=before, limit=limit, status=status)
    estimator = Estimator(session, wiring.clock())
    items = [await job_view(request, session, wiring, job, estimator) for job in jobs]
    return Envelope(data=Page(items=items, next_before=jobs[-1].id if len(jobs) == limit else None))


@router.get("/{job_id}")
async def show_job(
    job_id: RowId, request: Request, principal: SignedIn, session: Transaction, wiring: WiringDep
) -> Envelope[api.JobView]:
    """Show a job."""
    return Envelope(data=await job_view(request, session, wiring, await service.find(session, principal, job_id)))


@router.get("/{job_id}/timeline")
async def show_timeline(job_id: RowId, principal: SignedIn, session: Transaction) -> Envelope[list[api.JobEventView]]:
    """Show what happened to a job."""
    job = await service.find(session, principal, job_id)
    return Envelope(data=[event_view(row) for row in await repository.timeline(session, job.id)])


@router.post("/{job_id}/cancel")
async def cancel_job(
    job_id: RowId, request: Request, principal: SignedIn, session: Transaction, wiring: WiringDep
) -> Envelope[api.JobView]:
    """Cancel a job, or ask its worker to stop."""
    job = await service.cancel(session, wiring, principal, job_id)
    return Envelope(data=await job_view(request, session, wiring, job))


@router.get("/{job_id}/events")
async def stream_events(job_id: RowId, request: Request, principal: SignedIn, wiring: WiringDep) -> StreamingResponse:
    """Stream a job as server-sent events: at once, at each change, and to the end with its final state."""
    async with wiring.sessions.begin() as session:
        await service.find(session, principal, job_id)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    stream = _events(request, wiring, principal, job_id)
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


async def _events(request: Request, wiring: Wiring, principal: Principal, job_id: int) -> AsyncIterator[str]:
    last: api.JobView | None = None
    with wiring.notifier.subscription(job_topic(job_id)) as changed:
        while not wiring.notifier.is_stopped:
            changed.clear()
            current = await _current(request, wiring, principal, job_id)
            if last is None or _without_url(current) != _without_url(last):
                yield f"event: job\ndata: {current.model_dump_json()}\n\n"
                last = current
            if current.status.is_final:
                return
            if not await _wait(changed, is_queued=current.status is JobStatus.QUEUED):
                yield ": waiting\n\n"


async def _wait(changed: asyncio.Event, *, is_queued: bool) -> bool:
    """Wait for a change. The place in the queue changes without one: look more often while queued."""
    return await wait_for(changed, 2.0 if is_queued else KEEP_ALIVE_SECONDS)


async def _current(request: Request, wiring: Wiring, principal: Principal, job_id: int) -> api.JobView:
    async with wiring.sessions.begin() as session:
        job = await service.find(session, principal, job_id)
        return await job_view(request, session, wiring, job)


def _without_url(view: api.JobView) -> api.JobView:
    return view.model_copy(update={"output_url": None})


async def job_view(
    request: Request, session: AsyncSession, wiring: Wiring, job: Job, estimator: Estimator | None = None
) -> api.JobView:
    """Return a job as its owner sees it, with an address of its output that works for the caller."""
    view = await service.view(session, wiring, job, estimator)
    return view.model_copy(update={"output_url": absolute(request, view.output_url)}) if view.output_url else view
