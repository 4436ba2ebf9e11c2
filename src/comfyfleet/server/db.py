"""The database: engine, sessions, and publishing to whoever waits."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from comfyfleet.server.notifier import CHANNEL

Sessions = async_sessionmaker[AsyncSession]


def make_engine(url: str) -> AsyncEngine:
    """Make the engine. Its errors show no values; more than about eight connections make a queue slower."""
    return create_async_engine(url, pool_size=8, max_overflow=8, pool_pre_ping=True, hide_parameters=True)


def make_sessions(engine: AsyncEngine) -> Sessions:
    """Make sessions whose objects stay readable after the commit."""
    return async_sessionmaker(engine, expire_on_commit=False)


async def publish(session: AsyncSession, topic: str) -> None:
    """Tell subscribers of `topic`, once the session's transaction has committed."""
    await session.execute(select(func.pg_notify(CHANNEL, topic)))
