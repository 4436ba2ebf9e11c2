"""SQL of samples on their way to the cloud."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import extract, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.jobs import SPOT_INTERRUPTION, JobEvent, JobStatus
from comfyfleet.core.scaling import LOOK_BACK, FleetStand
from comfyfleet.server.models import Fleet, FleetSample, Job, JobEventRow

_AT_ONCE: Final = 100
_SPACING: Final = timedelta(seconds=10)


@dataclass(frozen=True)
class ClaimedSample:
    """A sample that one control plane tells."""

    fleet_id: int
    slug: str
    at: datetime
    queued: int
    processing: int
    oldest_seconds: float
    workers: int
    capacity: int


async def claim(session: AsyncSession, stage: str, now: datetime, *, since: datetime) -> list[ClaimedSample]:
    """Take samples of a stage that nobody has told, oldest first."""
    waiting = (
        select(FleetSample.fleet_id, FleetSample.at)
        .join(Fleet, Fleet.id == FleetSample.fleet_id)
        .where(Fleet.stage == stage, FleetSample.at > since, FleetSample.published_at.is_(None))
        .order_by(FleetSample.at)
        .limit(_AT_ONCE)
        .with_for_update(of=FleetSample, skip_locked=True)
        .subquery()
    )
    taken = (
        update(FleetSample)
        .where(FleetSample.fleet_id == waiting.c.fleet_id, FleetSample.at == waiting.c.at)
        .values(published_at=now)
        .returning(FleetSample)
    )
    rows = list(await session.scalars(taken))
    slugs = {
        row.id: row.slug for row in await session.execute(select(Fleet.id, Fleet.slug).where(Fleet.stage == stage))
    }
    claimed = [
        ClaimedSample(
            row.fleet_id,
            slugs[row.fleet_id],
            row.at,
            row.queued,
            row.processing,
            row.oldest_seconds,
            row.workers,
            row.capacity,
        )
        for row in rows
    ]
    return sorted(claimed, key=lambda one: (one.at, one.fleet_id))


async def give_back(session: AsyncSession, samples: Sequence[ClaimedSample]) -> None:
    """Let samples be told another time."""
    for sample in samples:
        which = (FleetSample.fleet_id == sample.fleet_id, FleetSample.at == sample.at)
        await session.execute(update(FleetSample).where(*which).values(published_at=None))


async def stand_at(session: AsyncSession, sample: ClaimedSample) -> FleetStand:
    """Return how the fleet of a sample stood, with what happened since the sample before it."""
    completed, failed, median = await _ended(session, sample)
    before = await session.scalar(
        select(func.max(FleetSample.at)).where(FleetSample.fleet_id == sample.fleet_id, FleetSample.at < sample.at)
    )
    expired, interrupted = await _happened(session, sample, before or sample.at - _SPACING)
    return FleetStand(
        queued=sample.queued,
        processing=sample.processing,
        oldest_seconds=sample.oldest_seconds,
        workers=sample.workers,
        capacity=sample.capacity,
        completed=completed,
        failed=failed,
        median_seconds=median,
        leases_expired=expired,
        spot_interruptions=interrupted,
    )


async def _ended(session: AsyncSession, sample: ClaimedSample) -> tuple[int, int, float | None]:
    is_completed = Job.status == JobStatus.COMPLETED
    seconds = extract("epoch", Job.finished_at - Job.leased_at)
    query = select(
        func.count().filter(is_completed),
        func.count().filter(Job.status == JobStatus.FAILED),
        func.percentile_cont(0.5).within_group(seconds).filter(is_completed),
    ).where(Job.fleet_id == sample.fleet_id, Job.finished_at > sample.at - LOOK_BACK, Job.finished_at <= sample.at)
    completed, failed, median = (await session.execute(query)).one()
    return completed, failed, None if median is None else float(median)


async def _happened(session: AsyncSession, sample: ClaimedSample, since: datetime) -> tuple[int, int]:
    is_expired = JobEventRow.event == JobEvent.LEASE_EXPIRED
    is_requeued = JobEventRow.event == JobEvent.REQUEUED
    query = (
        select(
            func.count().filter(is_expired),
            func.count().filter(is_requeued & JobEventRow.detail.contains(SPOT_INTERRUPTION, autoescape=True)),
        )
        .join(Job, Job.id == JobEventRow.job_id)
        .where(Job.fleet_id == sample.fleet_id, JobEventRow.at > since, JobEventRow.at <= sample.at)
        .where(JobEventRow.event.in_([JobEvent.LEASE_EXPIRED, JobEvent.REQUEUED]))
    )
    expired, interrupted = (await session.execute(query)).one()
    return expired, interrupted
