"""SQL of the search over the jobs of all tenants."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, Select, func, literal_column, select, union
from sqlalchemy.dialects.postgresql import REGCONFIG, TSVECTOR
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from comfyfleet.core.jobs import JobStatus
from comfyfleet.server.models import Effect, Fleet, Job, Tenant, Worker
from comfyfleet.server.models.base import MAX_BIG_ID
from comfyfleet.server.models.jobs import WORDS_OF_JOB

_FIRST_REACH: Final = 500
_GROWTH: Final = 4
_MAX_NAMES: Final = 1000
_SIMPLE: Final = literal_column("'simple'::regconfig", REGCONFIG)
_WORDS: Final = literal_column(WORDS_OF_JOB.text, TSVECTOR)

Id = TypeVar("Id", int, UUID)


@dataclass(frozen=True)
class Ids:
    """Rows that jobs belong to; a field that is None asks nothing."""

    tenants: Sequence[UUID] | None = None
    effects: Sequence[int] | None = None
    fleets: Sequence[int] | None = None
    workers: Sequence[int] | None = None


@dataclass(frozen=True)
class Wanted:
    """What is searched for: what has `status`, belongs to all of `only`, and is mentioned by words or by `any_of`.

    A field that is None asks nothing; with `any_of` given and nothing in it, only words can be found.
    """

    only: Ids
    status: JobStatus | None = None
    words: str | None = None
    any_of: Ids | None = None


async def named(
    session: AsyncSession, *, tenant: str | None, effect: str | None, fleet: tuple[str, str] | None, worker: str | None
) -> Ids:
    """Return the rows of exactly these names; a field is empty when there is none of that name."""
    return Ids(
        tenants=None if tenant is None else await _ids(session, Tenant.id, Tenant.slug == tenant),
        effects=None if effect is None else await _ids(session, Effect.id, Effect.slug == effect),
        fleets=None
        if fleet is None
        else await _ids(session, Fleet.id, (Fleet.stage == fleet[0]) & (Fleet.slug == fleet[1])),
        workers=None if worker is None else await _ids(session, Worker.id, Worker.worker_id == worker),
    )


async def mentioning(session: AsyncSession, text: str) -> Ids:
    """Return the tenants and effects in whose slug or name a text is, and the workers in whose id: 1,000 of each."""
    return Ids(
        tenants=await _ids(session, Tenant.id, _holds(Tenant.slug, text) | _holds(Tenant.name, text)),
        effects=await _ids(session, Effect.id, _holds(Effect.slug, text) | _holds(Effect.name, text)),
        workers=await _ids(session, Worker.id, _holds(Worker.worker_id, text)),
    )


async def newest(session: AsyncSession, wanted: Wanted, *, before: int | None, limit: int) -> list[int]:
    """Return the ids of the newest jobs that fit, newest first.

    The ids are gone through in stretches that grow, newest first, and each stretch is read whole: with a LIMIT,
    Postgres would rather look at every job than at the index of words, and without stretches it would fetch all jobs
    that hold a common word. With 100,000 jobs that takes 2 to 50 ms; by a LIMIT, up to 1.7 s.
    """
    # A plan that is made once for all stretches would take each for a short one.
    await session.execute(select(func.set_config("plan_cache_mode", "force_custom_plan", True)))
    newest_id = await session.scalar(select(func.max(Job.id))) or 0
    end = min(newest_id + 1, before or MAX_BIG_ID)
    found: list[int] = []
    reach = _FIRST_REACH
    while end > 0 and len(found) < limit:
        start = max(0, end - reach)
        stretch = union(*_selects(wanted, Job.id >= start, Job.id < end)).cte().prefix_with("MATERIALIZED")
        query = select(stretch.c.id).order_by(stretch.c.id.desc()).limit(limit - len(found))
        found += await session.scalars(query)
        end, reach = start, reach * _GROWTH
    return found


async def numbered(session: AsyncSession, wanted: Wanted, job_id: int) -> list[int]:
    """Return the id of a job if it is there and fits."""
    if job_id > MAX_BIG_ID:
        return []
    return list(await session.scalars(union(*_selects(wanted, Job.id == job_id))))


async def rows(session: AsyncSession, ids: Sequence[int]) -> list[RowMapping]:
    """Return these jobs, newest first, by the names of `protocol.jobs.JobRow`; nothing large in them is read."""
    query = (
        select(
            Job.id,
            Tenant.slug.label("tenant"),
            Tenant.name.label("tenant_name"),
            Effect.slug.label("effect"),
            Effect.name.label("effect_name"),
            (Fleet.stage + "/" + Fleet.slug).label("fleet"),
            Worker.worker_id,
            Job.status,
            Job.is_cancel_requested.label("cancel_requested"),
            Job.attempt,
            Job.max_attempts,
            Job.progress,
            Job.progress_node,
            Job.credits_cost,
            Job.error_message.label("error"),
            Job.retry_of,
            Job.created_at,
            Job.leased_at,
            Job.finished_at,
        )
        .join(Tenant, Tenant.id == Job.tenant_id)
        .join(Effect, Effect.id == Job.effect_id)
        .join(Fleet, Fleet.id == Job.fleet_id)
        .outerjoin(Worker, Worker.id == Job.worker_id)
        .where(Job.id.in_(ids))
        .order_by(Job.id.desc())
    )
    return list((await session.execute(query)).mappings())


async def effect_names(session: AsyncSession) -> list[tuple[str, str]]:
    """Return slug and name of the effects that jobs may be looked for by, 1,000 at most, by name."""
    query = select(Effect.slug, Effect.name).where(~Effect.is_test).order_by(Effect.name, Effect.slug)
    return [(row.slug, row.name) for row in await session.execute(query.limit(_MAX_NAMES))]


def _selects(wanted: Wanted, *conditions: ColumnElement[bool]) -> list[Select[int]]:
    """Return a query for each way in which a job may be mentioned: each has an index of its own, which an OR loses."""
    query = select(Job.id).where(*conditions, *_belonging(wanted.only))
    if wanted.status is not None:
        query = query.where(Job.status == wanted.status)
    if wanted.any_of is None and wanted.words is None:
        return [query]
    ways = [] if wanted.any_of is None else _belonging(wanted.any_of)
    if wanted.words is not None:
        ways.append(_WORDS.bool_op("@@")(func.to_tsquery(_SIMPLE, wanted.words)))
    return [query.where(way) for way in ways]


def _belonging(ids: Ids) -> list[ColumnElement[bool]]:
    columns = ((Job.tenant_id, ids.tenants), (Job.effect_id, ids.effects), (Job.fleet_id, ids.fleets))
    by_column: list[ColumnElement[bool]] = [column.in_(wanted) for column, wanted in columns if wanted is not None]
    return by_column if ids.workers is None else [*by_column, Job.worker_id.in_(ids.workers)]


def _holds(column: InstrumentedAttribute[str], text: str) -> ColumnElement[bool]:
    return column.icontains(text, autoescape=True)


async def _ids(session: AsyncSession, column: InstrumentedAttribute[Id], where: ColumnElement[bool]) -> list[Id]:
    return list(await session.scalars(select(column).where(where).limit(_MAX_NAMES)))
