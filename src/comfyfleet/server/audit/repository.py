"""SQL of the audit."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.server.models import AuditEntry


async def insert(session: AsyncSession, entry: AuditEntry) -> None:
    """Store an entry."""
    session.add(entry)
    await session.flush()


async def entries(
    session: AsyncSession, *, subject: str | None, action: str | None, before: int | None, limit: int
) -> list[AuditEntry]:
    """Return entries, newest first."""
    query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
    if subject is not None:
        query = query.where(AuditEntry.subject == subject)
    if action is not None:
        query = query.where(AuditEntry.action.startswith(action, autoescape=True))
    if before is not None:
        query = query.where(AuditEntry.id < before)
    return list(await session.scalars(query))
