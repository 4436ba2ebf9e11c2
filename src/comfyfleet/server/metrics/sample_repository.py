"""SQL of samples of fleets."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.server.models import Fleet, FleetSample

_SAMPLES_LOCK = 0x73616D70  # "samp"; of several control planes one takes samples at a time


async def may_take(session: AsyncSession) -> bool:
    """Tell whether nobody else takes samples at this moment; until the transaction ends, nobody else does."""
    return bool(await session.scalar(select(func.pg_try_advisory_xact_lock(_SAMPLES_LOCK))))


async def fleets_without(session: AsyncSession, now: datetime, spacing: timedelta) -> list[int]:
    """Return the fleets without a sample within `spacing` of now, by which the clocks of planes may differ, too."""
    has_one = exists().where(
        FleetSample.fleet_id == Fleet.id, FleetSample.at > now - spacing, FleetSample.at < now + spacing
    )
    return list(await session.scalars(select(Fleet.id).where(~has_one).order_by(Fleet.id)))


async def insert(session: AsyncSession, samples: Sequence[FleetSample]) -> None:
    """Store samples."""
    session.add_all(samples)
    await session.flush()


async def without_wanted(session: AsyncSession, stage: str, since: datetime) -> list[tuple[int, str]]:
    """Return id and slug of a stage's fleets with samples since then that do not say how many machines were wanted."""
    has_one = exists().where(FleetSample.fleet_id == Fleet.id, FleetSample.at > since, FleetSample.desired.is_(None))
    rows = await session.execute(select(Fleet.id, Fleet.slug).where(Fleet.stage == stage, has_one).order_by(Fleet.id))
    return [(fleet_id, slug) for fleet_id, slug in rows]


async def note_wanted(session: AsyncSession, fleet_id: int, since: datetime, desired: int) -> int:
    """Note in a fleet's samples since then how many machines were wanted; return in how many."""
    samples = (FleetSample.fleet_id == fleet_id, FleetSample.at > since, FleetSample.desired.is_(None))
    noted = await session.execute(update(FleetSample).where(*samples).values(desired=desired).returning(FleetSample.at))
    return len(noted.all())


async def delete_before(session: AsyncSession, at: datetime) -> None:
    """Forget older samples. The fleets are named for the sake of the index, which begins with them."""
    fleets = select(Fleet.id).scalar_subquery()
    await session.execute(delete(FleetSample).where(FleetSample.fleet_id.in_(fleets), FleetSample.at < at))
