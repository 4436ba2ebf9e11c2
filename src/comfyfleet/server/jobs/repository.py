"""SQL of jobs and their timelines."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import load_only, selectinload

from comfyfleet.core.jobs import JobEvent, JobStatus
from comfyfleet.server.models import Fleet, Job, JobEventRow, Tenant, Worker


@dataclass(frozen=True)
class JobPlace:
    """Whose a job is, on which fleet (`stage/slug`), and which worker had it last."""

    tenant: str
    tenant_name: str
    fleet: str
    worker_id: str | None


async def by_idempotency_key(session: AsyncSession, tenant_id: UUID, key: str) -> Job | None:
    """Find the job that a tenant submitted under a key."""
    query = select(Job).where(Job.tenant_id == tenant_id, Job.idempotency_key == key)
    return await session.scalar(query.options(selectinload(Job.effect)))


async def of_tenant(session: AsyncSession, tenant_id: UUID, job_id: int, *, lock: bool = False) -> Job | None:
    """Find a job of a tenant."""
    query = select(Job).where(Job.tenant_id == tenant_id, Job.id == job_id).options(selectinload(Job.effect))
    return await session.scalar(query.with_for_update(of=Job) if lock else query)


async def any_job(session: AsyncSession, job_id: int, *, lock: bool = False) -> Job | None:
    """Find a job of whatever tenant."""
    query = select(Job).where(Job.id == job_id).options(selectinload(Job.effect))
    return await session.scalar(query.with_for_update(of=Job) if lock else query)


async def retries_of(session: AsyncSession, job_id: int) -> list[Job]:
    """Return the jobs that were made to do another one again, oldest first; only what a list shows of them is read."""
    columns = load_only(Job.status, Job.created_at, raiseload=True)
    return list(await session.scalars(select(Job).where(Job.retry_of == job_id).order_by(Job.id).options(columns)))


async def place_of(session: AsyncSession, job: Job) -> JobPlace:
    """Return whose a job is and where it is done."""
    query = select(Tenant.slug, Tenant.name, Fleet.stage + "/" + Fleet.slug, Worker.worker_id)
    query = query.select_from(Job).join(Tenant, Tenant.id == Job.tenant_id).join(Fleet, Fleet.id == Job.fleet_id)
    query = query.outerjoin(Worker, Worker.id == Job.worker_id).where(Job.id == job.id)
    return JobPlace(*(await session.execute(query)).one())


async def page(
    session: AsyncSession, tenant_id: UUID, *, before: int | None, limit: int, status: JobStatus | None
) -> list[Job]:
    """Return a tenant's jobs, newest first."""
    query = select(Job).where(Job.tenant_id == tenant_id).options(selectinload(Job.effect))
    if before is not None:
        query = query.where(Job.id < before)
    if status is not None:
        query = query.where(Job.status == status)
    return list(await session.scalars(query.order_by(Job.id.desc()).limit(limit)))


async def insert(session: AsyncSession, job: Job) -> None:
    """Store a new job."""
    session.add(job)
    await session.flush()
    await session.refresh(job, ["created_at"])


async def lease_next(
    session: AsyncSession, fleet_id: int, worker_id: int, token_hash: str, *, now: datetime, until: datetime
) -> Job | None:
    """Give the first queued job of a fleet to a worker; concurrent callers never get the same one."""
    first = (
        select(Job.id)
        .where(Job.fleet_id == fleet_id, Job.status == JobStatus.QUEUED, Job.available_at <= now)
        .order_by(Job.priority.desc(), Job.id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    leased = {
        "status": JobStatus.PROCESSING,
        "worker_id": worker_id,
        "lease_token_hash": token_hash,
        "lease_expires_at": until,
        "attempt": Job.attempt + 1,
        "leased_at": now,
        "started_at": None,
        "progress": 0.0,
        "progress_node": None,
    }
    return await session.scalar(update(Job).where(Job.id == first).values(leased).returning(Job))


async def next_available_at(session: AsyncSession, fleet_id: int) -> datetime | None:
    """Return when the first queued job of a fleet may be leased, or None when nothing is queued."""
    query = select(func.min(Job.available_at)).where(Job.fleet_id == fleet_id, Job.status == JobStatus.QUEUED)
    return await session.scalar(query)


async def leased(
    session: AsyncSession, worker_id: int, job_id: int, token_hash: str, *, lock: bool = True
) -> Job | None:
    """Find a job by a worker's valid lease, and keep others from changing it."""
    query = select(Job).where(
        Job.id == job_id,
        Job.worker_id == worker_id,
        Job.lease_token_hash == token_hash,
        Job.status == JobStatus.PROCESSING,
    )
    return await session.scalar(query.with_for_update() if lock else query)


async def held_by(session: AsyncSession, worker_id: int) -> list[Job]:
    """Return the jobs that a worker holds, and keep others from changing them."""
    query = select(Job).where(Job.worker_id == worker_id, Job.status == JobStatus.PROCESSING)
    return list(await session.scalars(query.order_by(Job.id).with_for_update()))


async def count_held_by(session: AsyncSession, worker_id: int) -> int:
    """Count the jobs that a worker holds."""
    query = select(func.count()).select_from(Job).where(Job.worker_id == worker_id)
    return await session.scalar(query.where(Job.status == JobStatus.PROCESSING)) or 0


async def open_jobs_limit(session: AsyncSession, tenant_id: UUID) -> int | None:
    """Return how many jobs a tenant may have open at a time; None for any number."""
    return await session.scalar(select(Tenant.max_open_jobs).where(Tenant.id == tenant_id))


async def count_open(session: AsyncSession, tenant_id: UUID) -> int:
    """Count a tenant's queued and processing jobs, each by the index of that status."""
    query = select(func.count()).select_from(Job).where(Job.tenant_id == tenant_id)
    counts = [
        await session.scalar(query.where(Job.status == literal(status.value, literal_execute=True))) or 0
        for status in (JobStatus.QUEUED, JobStatus.PROCESSING)
    ]
    return sum(counts)


async def expired(session: AsyncSession, now: datetime, limit: int) -> list[Job]:
    """Return jobs whose leases ran out, skipping those that someone changes at this moment."""
    query = select(Job).where(Job.status == JobStatus.PROCESSING, Job.lease_expires_at < now)
    return list(await session.scalars(query.order_by(Job.id).limit(limit).with_for_update(skip_locked=True)))


async def queue_position(session: AsyncSession, job: Job) -> int:
    """Return a queued job's place in its fleet's queue, from 1."""
    ahead = (Job.priority > job.priority) | ((Job.priority == job.priority) & (Job.id < job.id))
    query = select(func.count()).select_from(Job)
    query = query.where(Job.fleet_id == job.fleet_id, Job.status == JobStatus.QUEUED, ahead)
    return (await session.scalar(query) or 0) + 1


async def add_event(session: AsyncSession, job: Job, event: JobEvent, now: datetime, detail: str = "") -> None:
    """Write a line of a job's timeline."""
    session.add(JobEventRow(job_id=job.id, at=now, event=event, attempt=job.attempt, detail=detail))
    await session.flush()


async def timeline(session: AsyncSession, job_id: int) -> list[JobEventRow]:
    """Return a job's timeline, oldest first."""
    query = select(JobEventRow).where(JobEventRow.job_id == job_id).order_by(JobEventRow.id)
    return list(await session.scalars(query))
