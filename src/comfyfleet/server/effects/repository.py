"""SQL of effects."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.server.models import Effect, Workflow


async def by_slug(session: AsyncSession, slug: str) -> Effect | None:
    """Find an effect with its workflow."""
    return await session.scalar(select(Effect).where(Effect.slug == slug))


async def test_effect(session: AsyncSession, workflow_id: int) -> Effect | None:
    """Find the effect behind a workflow's test runs."""
    return await session.scalar(select(Effect).where(Effect.workflow_id == workflow_id, Effect.is_test))


async def active(session: AsyncSession) -> list[Effect]:
    """Return the effects that the public can run, by name."""
    query = select(Effect).join(Workflow, Workflow.id == Effect.workflow_id)
    return list(await session.scalars(query.where(Effect.is_active, Workflow.is_active).order_by(Effect.name)))


async def insert(session: AsyncSession, effect: Effect) -> None:
    """Store a new effect."""
    session.add(effect)
    await session.flush()
    await session.refresh(effect, ["workflow"])
