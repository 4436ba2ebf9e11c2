"""What operators do with jobs of any tenant; each act is noted in its transaction."""

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.server.audit import service as audit
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.jobs import repository, retrying, service
from comfyfleet.server.jobs.service import JobNotFound
from comfyfleet.server.models import Job
from comfyfleet.server.tenants import repository as tenants
from comfyfleet.server.wiring import Wiring


async def find(session: AsyncSession, job_id: int, *, lock: bool = False) -> Job:
    """Return a job of whatever tenant; raise `JobNotFound`."""
    job = await repository.any_job(session, job_id, lock=lock)
    if job is None:
        raise JobNotFound(f"There is no job {job_id}.", hint="Look for it with `comfyfleet jobs search`.")
    return job


async def cancel(session: AsyncSession, wiring: Wiring, operator: Principal, job_id: int) -> Job:
    """Cancel a queued job at once; ask the worker of a running one to stop."""
    job = await find(session, job_id, lock=True)
    if await service.stop(session, wiring, job):
        await audit.record(session, operator, "job.cancel", str(job.id), await _about(session, job))
    return job


async def retry(session: AsyncSession, wiring: Wiring, operator: Principal, job_id: int) -> Job:
    """Do a failed or canceled job again, at its tenant's cost; return the new job. See `retrying.retry`."""
    job = await find(session, job_id, lock=True)
    again = await retrying.retry(session, wiring, job)
    await audit.record(session, operator, "job.retry", str(job.id), {**await _about(session, job), "job": again.id})
    return again


async def _about(session: AsyncSession, job: Job) -> dict[str, object]:
    tenant = await tenants.tenant_by_id(session, job.tenant_id)
    return {"tenant": tenant.slug, "effect": job.effect.slug}
