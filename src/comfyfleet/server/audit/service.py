"""The verb of the audit: record."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.server.audit import repository
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.models import AuditEntry


async def record(
    session: AsyncSession, principal: Principal, action: str, subject: str, detail: dict[str, Any] | None = None
) -> None:
    """Note what somebody does, in the transaction that does it. `action` is like `asset.delete`."""
    await record_for(session, principal.actor, principal.tenant_id, action, subject, detail)


async def record_for(
    session: AsyncSession,
    actor: str,
    tenant_id: UUID,
    action: str,
    subject: str,
    detail: dict[str, Any] | None = None,
) -> None:
    """Note what is done for somebody whose request is over."""
    entry = AuditEntry(
        at=datetime.now(UTC),
        actor=actor[:400],
        tenant_id=tenant_id,
        action=action,
        subject=subject[:400],
        detail=detail or {},
    )
    await repository.insert(session, entry)
