"""Jobs of all tenants over HTTP, for operators."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.jobs import JobStatus
from comfyfleet.protocol.envelope import Envelope, Page
from comfyfleet.protocol.jobs import JobDetail, JobRow
from comfyfleet.server.auth.dependencies import (
    Before,
    Operator,
    RowId,
    Transaction,
    Viewer,
    WiringDep,
    Words,
    absolute,
)
from comfyfleet.server.jobs import administration
from comfyfleet.server.jobs.detail import detail
from comfyfleet.server.jobs.search import JobFilter, search
from comfyfleet.server.models import Job
from comfyfleet.server.wiring import Wiring

router = APIRouter(prefix="/api/admin/jobs", tags=["jobs"])


@router.get("")
async def search_jobs(
    _viewer: Viewer,
    session: Transaction,
    q: Words = "",
    status: JobStatus | None = None,
    fleet: Words | None = None,
    effect: Words | None = None,
    tenant: Words | None = None,
    worker: Words | None = None,
    before: Before = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Envelope[Page[JobRow]]:
    """Search the jobs of all tenants, newest first; `fleet` is `stage/slug`, and `q` a job's number or words."""
    wanted = JobFilter(q=q, status=status, fleet=fleet, effect=effect, tenant=tenant, worker=worker)
    return Envelope(data=await search(session, wanted, before=before, limit=limit))


@router.get("/{job_id}")
async def inspect_job(
    job_id: RowId, request: Request, _viewer: Viewer, session: Transaction, wiring: WiringDep
) -> Envelope[JobDetail]:
    """Show a job of any tenant, with its files, attempts and timeline."""
    return await _detail(request, session, wiring, await administration.find(session, job_id))


@router.post("/{job_id}/cancel")
async def cancel_any_job(
    job_id: RowId, request: Request, operator: Operator, session: Transaction, wiring: WiringDep
) -> Envelope[JobDetail]:
    """Cancel a job of any tenant, or ask its worker to stop."""
    job = await administration.cancel(session, wiring, operator, job_id)
    return await _detail(request, session, wiring, job)


@router.post("/{job_id}/retry", status_code=201)
async def retry_job(
    job_id: RowId, request: Request, operator: Operator, session: Transaction, wiring: WiringDep
) -> Envelope[JobDetail]:
    """Do a failed or canceled job again: a new job of the same tenant, which pays for it."""
    job = await administration.retry(session, wiring, operator, job_id)
    return await _detail(request, session, wiring, job)


async def _detail(request: Request, session: AsyncSession, wiring: Wiring, job: Job) -> Envelope[JobDetail]:
    return Envelope(data=await detail(session, wiring, job, lambda url: absolute(request, url)))
