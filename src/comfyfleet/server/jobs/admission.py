"""What a tenant must have for one more job, and how a job comes into the queue: the same for new jobs and retries."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.errors import Forbidden
from comfyfleet.core.jobs import JobEvent
from comfyfleet.server import db
from comfyfleet.server.credits import service as credit_service
from comfyfleet.server.jobs import repository
from comfyfleet.server.models import Job
from comfyfleet.server.notifier import fleet_topic


class TooManyOpenJobs(Forbidden):
    """The tenant has as many queued and processing jobs as it may have; answered with 429."""

    code = "too_many_open_jobs"


async def check(session: AsyncSession, tenant_id: UUID, cost: int) -> None:
    """Raise unless the tenant, whose credits are locked, may have one more job at that cost.

    Raises:
        TooManyOpenJobs: It has as many open jobs as it may have.
        CreditsInsufficient: It has too few credits.
    """
    limit = await repository.open_jobs_limit(session, tenant_id)
    if limit is not None and await repository.count_open(session, tenant_id) >= limit:
        raise TooManyOpenJobs(
            f"You may have {limit} jobs queued or processing at a time, and have them.",
            hint="Wait until one has ended, cancel one, or ask your administrator for more.",
        )
    await credit_service.check(session, tenant_id, cost)


async def admit(session: AsyncSession, job: Job, detail: str = "") -> None:
    """Store a job after `check` in the same transaction, reserve its credits, and tell its fleet."""
    await repository.insert(session, job)
    await credit_service.reserve(session, job.tenant_id, job.credits_cost, job.id)
    await repository.add_event(session, job, JobEvent.QUEUED, job.queued_at, detail)
    await db.publish(session, fleet_topic(job.fleet_id))
