"""SQL of the audit."""

import json

from sqlalchemy import ColumnElement, Text, cast, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.server.models import AuditEntry


async def insert(session: AsyncSession, entry: AuditEntry) -> None:
    """Store an entry."""
    session.add(entry)
    await session.flush()


async def entries(
    session: AsyncSession,
    *,
    subject: str | None = None,
    action: str | None = None,
    actor: str | None = None,
    text: str | None = None,
    before: int | None,
    limit: int,
) -> list[AuditEntry]:
    """Return entries, newest first: of whom and to what exactly, by the beginning of the act, by a text anywhere."""
    query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
    if subject:
        query = query.where(AuditEntry.subject == subject)
    if action:
        query = query.where(AuditEntry.action.startswith(action, autoescape=True))
    if actor:
        query = query.where(AuditEntry.actor == actor)
    if text:
        query = query.where(_holds(text))
    if before is not None:
        query = query.where(AuditEntry.id < before)
    return list(await session.scalars(query))


def _holds(text: str) -> ColumnElement[bool]:
    in_detail = json.dumps(text)[1:-1]  # as it is written there
    return or_(
        AuditEntry.subject.icontains(text, autoescape=True),
        AuditEntry.actor.icontains(text, autoescape=True),
        AuditEntry.action.icontains(text, autoescape=True),
        cast(AuditEntry.detail, Text).icontains(in_detail, autoescape=True),
    )
