"""SQL of users, sessions and API keys."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.server.models import ApiKey, User, UserSession

_USED_EVERY: Final = timedelta(minutes=1)


async def user_by_email(session: AsyncSession, email: str) -> User | None:
    """Find a person by address, whatever its case."""
    return await session.scalar(select(User).where(func.lower(User.email) == email.lower()))


async def user_by_id(session: AsyncSession, user_id: UUID) -> User | None:
    """Find a person."""
    return await session.get(User, user_id)


async def user_of_session(session: AsyncSession, token_hash: str, now: datetime) -> User | None:
    """Find whose session a token is, unless it has expired."""
    query = select(User).join(UserSession, UserSession.user_id == User.id)
    return await session.scalar(query.where(UserSession.token_hash == token_hash, UserSession.expires_at > now))


async def key_by_hash(session: AsyncSession, token_hash: str, now: datetime) -> ApiKey | None:
    """Find a key that was not revoked, and note its use (at most once a minute)."""
    key = await session.scalar(select(ApiKey).where(ApiKey.token_hash == token_hash, ApiKey.revoked_at.is_(None)))
    if key is not None:
        stale = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < now - _USED_EVERY)
        await session.execute(update(ApiKey).where(ApiKey.id == key.id, stale).values(last_used_at=now))
    return key


async def insert_session(session: AsyncSession, user_id: UUID, token_hash: str, expires_at: datetime) -> None:
    """Store a new session."""
    session.add(UserSession(user_id=user_id, token_hash=token_hash, expires_at=expires_at))
    await session.flush()


async def delete_session(session: AsyncSession, token_hash: str) -> None:
    """End one session."""
    await session.execute(delete(UserSession).where(UserSession.token_hash == token_hash))


async def delete_sessions_of(session: AsyncSession, user_id: UUID) -> None:
    """End all sessions of a person."""
    await session.execute(delete(UserSession).where(UserSession.user_id == user_id))


async def delete_expired_sessions(session: AsyncSession, now: datetime) -> None:
    """Remove sessions that have expired."""
    await session.execute(delete(UserSession).where(UserSession.expires_at <= now))
