"""SQL of effects."""

from typing import Final

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import contains_eager, joinedload

from comfyfleet.server.models import Effect, Job, Workflow

_ORDER: Final = (Effect.position, Effect.name, Effect.id)


async def by_slug(session: AsyncSession, slug: str) -> Effect | None:
    """Find an effect with its workflow."""
    return await session.scalar(select(Effect).where(Effect.slug == slug))


async def test_effect(session: AsyncSession, workflow_id: int) -> Effect | None:
    """Find the effect behind a workflow's test runs."""
    return await session.scalar(select(Effect).where(Effect.workflow_id == workflow_id, Effect.is_test))


async def active(session: AsyncSession) -> list[Effect]:
    """Return the effects that the public can run, in the catalogue's order."""
    query = select(Effect).join(Workflow, Workflow.id == Effect.workflow_id)
    return list(await session.scalars(query.where(Effect.is_active, Workflow.is_active).order_by(*_ORDER)))


async def catalogue(session: AsyncSession, *, q: str, limit: int, offset: int) -> tuple[list[Effect], int]:
    """Return effects that the public can run, with `q` in name or description, in order, and how many there are."""
    fits = Effect.is_active & Workflow.is_active
    if q:
        fits &= or_(*(column.icontains(q, autoescape=True) for column in (Effect.name, Effect.description)))
    query = select(Effect).join(Workflow, Workflow.id == Effect.workflow_id).where(fits)
    total = await session.scalar(select(func.count()).select_from(query.with_only_columns(Effect.id).subquery())) or 0
    query = query.options(contains_eager(Effect.workflow).defer(Workflow.graph))
    return list(await session.scalars(query.order_by(*_ORDER).limit(limit).offset(offset))), total


async def in_order(session: AsyncSession) -> list[Effect]:
    """Return all effects but those of test runs, in the catalogue's order."""
    return list(await session.scalars(select(Effect).where(~Effect.is_test).order_by(*_ORDER)))


async def page(session: AsyncSession, *, q: str, limit: int, offset: int) -> tuple[list[Effect], int]:
    """Return effects with `q` in slug or name, in the catalogue's order, and how many there are."""
    fits = ~Effect.is_test
    if q:
        fits &= or_(*(column.icontains(q, autoescape=True) for column in (Effect.slug, Effect.name)))
    query = select(Effect).where(fits).options(joinedload(Effect.workflow).load_only(Workflow.slug, Workflow.name))
    total = await session.scalar(select(func.count()).select_from(Effect).where(fits)) or 0
    return list(await session.scalars(query.order_by(*_ORDER).limit(limit).offset(offset))), total


async def last_position(session: AsyncSession) -> int:
    """Return the place of the last effect in the catalogue."""
    return await session.scalar(select(func.max(Effect.position)).where(~Effect.is_test)) or 0


async def run_counts(session: AsyncSession, effect_ids: list[int]) -> dict[int, int]:
    """Return how many jobs were made with each effect."""
    query = select(Job.effect_id, func.count().label("size")).where(Job.effect_id.in_(effect_ids))
    return {row.effect_id: row.size for row in await session.execute(query.group_by(Job.effect_id))}


async def delete_effect(session: AsyncSession, effect: Effect) -> None:
    """Delete an effect."""
    await session.delete(effect)
    await session.flush()


async def insert(session: AsyncSession, effect: Effect) -> None:
    """Store a new effect."""
    session.add(effect)
    await session.flush()
    await session.refresh(effect, ["workflow"])
