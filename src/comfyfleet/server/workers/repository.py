"""SQL of workers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVarTuple
from uuid import UUID

from sqlalchemy import Select, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.workers import WorkerStatus
from comfyfleet.server.models import Bundle, Fleet, Worker

Columns = TypeVarTuple("Columns")


@dataclass(frozen=True)
class WorkerFilter:
    """Which workers are meant. `text` is looked for in ids, names and types; `fleet` is `stage/slug`, or a slug."""

    text: str = ""
    fleet: str | None = None
    statuses: Collection[WorkerStatus] = ()
    source: str | None = None


async def by_token_hash(session: AsyncSession, token_hash: str) -> Worker | None:
    """Find the worker that a token stands for, and keep others from changing it, or from ending the token."""
    return await session.scalar(select(Worker).where(Worker.token_hash == token_hash).with_for_update())


async def by_worker_id(session: AsyncSession, worker_id: str) -> Worker | None:
    """Find a worker by its machine's id, and keep others from changing it."""
    return await session.scalar(select(Worker).where(Worker.worker_id == worker_id).with_for_update())


async def with_fleet(session: AsyncSession, worker_id: str) -> tuple[Worker, Fleet] | None:
    """Find a worker and its fleet by its machine's id."""
    query = select(Worker, Fleet).join(Fleet, Fleet.id == Worker.fleet_id).where(Worker.worker_id == worker_id)
    row = (await session.execute(query)).one_or_none()
    return None if row is None else (row[0], row[1])


async def fleet_of(session: AsyncSession, worker: Worker) -> Fleet:
    """Return a worker's fleet."""
    return await session.get_one(Fleet, worker.fleet_id)


async def bundles(session: AsyncSession, bundle_ids: Collection[UUID]) -> dict[UUID, Bundle]:
    """Return those of the bundles that exist, without their entries."""
    return {bundle.id: bundle for bundle in await session.scalars(select(Bundle).where(Bundle.id.in_(bundle_ids)))}


async def save(session: AsyncSession, worker: Worker) -> None:
    """Store a worker, new or changed."""
    session.add(worker)
    await session.flush()


async def touch(session: AsyncSession, worker: Worker, now: datetime) -> None:
    """Note that a worker was heard of; one that counted as lost is active again."""
    worker.last_seen_at = now
    if worker.status == WorkerStatus.LOST:
        worker.status = WorkerStatus.ACTIVE
    await session.flush()


async def mark_lost(session: AsyncSession, silent_since: datetime) -> list[int]:
    """Mark as lost whoever was last heard of before `silent_since`; return their ids.

    One that drains goes on draining: it must not come back as active.
    """
    query = update(Worker).where(Worker.status == WorkerStatus.ACTIVE, Worker.last_seen_at < silent_since)
    return list(await session.scalars(query.values(status=WorkerStatus.LOST).returning(Worker.id)))


async def search(
    session: AsyncSession, wanted: WorkerFilter, *, limit: int, offset: int
) -> Sequence[tuple[Worker, Fleet]]:
    """Return a page of workers with their fleets, last seen first."""
    query = _filtered(select(Worker, Fleet).join(Fleet, Fleet.id == Worker.fleet_id), wanted)
    query = query.order_by(Worker.last_seen_at.desc(), Worker.id.desc()).limit(limit).offset(offset)
    return [(worker, fleet) for worker, fleet in await session.execute(query)]


async def count(session: AsyncSession, wanted: WorkerFilter) -> int:
    """Count the workers that are meant."""
    query = select(func.count(Worker.id)).join(Fleet, Fleet.id == Worker.fleet_id)
    return await session.scalar(_filtered(query, wanted)) or 0


def _filtered(query: Select[*Columns], wanted: WorkerFilter) -> Select[*Columns]:
    if wanted.text:
        columns = (Worker.worker_id, Worker.display_name, Worker.instance_type)
        query = query.where(or_(*(column.icontains(wanted.text, autoescape=True) for column in columns)))
    if wanted.fleet:
        stage, slash, slug = wanted.fleet.partition("/")
        query = query.where(Fleet.stage == stage, Fleet.slug == slug) if slash else query.where(Fleet.slug == stage)
    if wanted.statuses:
        query = query.where(Worker.status.in_(wanted.statuses))
    return query if wanted.source is None else query.where(Worker.registration_source == wanted.source)
