"""SQL of a fleet's series. Steps of time are counted from `core.series.ORIGIN`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Double, extract, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from comfyfleet.core.jobs import JobStatus
from comfyfleet.core.series import ORIGIN, Steps
from comfyfleet.server.models import FleetSample, Job


@dataclass(frozen=True)
class Standing:
    """The samples of a step: averages, and the longest that a queued job had waited."""

    queued: float
    processing: float
    oldest_seconds: float
    workers: float
    capacity: float
    desired: float | None


@dataclass(frozen=True)
class Ended:
    """The jobs that ended in a step, and what the completed ones took, in seconds."""

    completed: int
    failed: int
    median_seconds: float | None
    p95_seconds: float | None


async def standings(session: AsyncSession, fleet_id: int, steps: Steps) -> dict[datetime, Standing]:
    """Return how a fleet stood, by the beginning of each step of which there are samples."""
    begins = _step_of(FleetSample.at, steps)
    query = select(
        begins,
        func.avg(FleetSample.queued),
        func.avg(FleetSample.processing),
        func.max(FleetSample.oldest_seconds),
        func.avg(FleetSample.workers),
        func.avg(FleetSample.capacity),
        func.avg(FleetSample.desired),
    ).where(FleetSample.fleet_id == fleet_id, FleetSample.at >= steps.first)
    return {row[0]: _standing(*row[1:]) for row in await session.execute(query.group_by(begins))}


def _standing(*figures: Any) -> Standing:
    """Return averages as plain numbers, of which only the machines that were wanted may lack."""
    queued, processing, oldest, workers, capacity = map(float, figures[:-1])
    desired = None if figures[-1] is None else float(figures[-1])
    return Standing(queued, processing, oldest, workers, capacity, desired)


async def ended(session: AsyncSession, fleet_id: int, steps: Steps) -> dict[datetime, Ended]:
    """Return the jobs of a fleet that ended, by the beginning of each step in which some did."""
    begins = _step_of(Job.finished_at, steps)
    is_completed, is_failed = Job.status == JobStatus.COMPLETED, Job.status == JobStatus.FAILED
    seconds = extract("epoch", Job.finished_at - Job.leased_at)
    query = select(
        begins,
        func.count().filter(is_completed),
        func.count().filter(is_failed),
        _quantiles(seconds, is_completed),
    ).where(Job.fleet_id == fleet_id, Job.finished_at >= steps.first)
    rows = await session.execute(query.group_by(begins))
    return {at: Ended(completed, failed, *(quantiles or (None, None))) for at, completed, failed, quantiles in rows}


def _quantiles(seconds: ColumnElement[Any], is_meant: ColumnElement[bool]) -> ColumnElement[Any]:
    """Return median and 95th percentile as one array, for which the rows are sorted once; null without rows."""
    fractions: ColumnElement[Any] = literal([0.5, 0.95], ARRAY(Double()))
    return func.percentile_cont(fractions, type_=ARRAY(Double())).within_group(seconds).filter(is_meant)


def _step_of(
    column: InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None], steps: Steps
) -> ColumnElement[datetime]:
    return func.date_bin(literal(steps.step), column, literal(ORIGIN)).label("begins")
