"""The audit over HTTP, for administrators."""

from typing import Annotated

from fastapi import APIRouter, Query

from comfyfleet.protocol.envelope import Envelope, Page
from comfyfleet.protocol.library import AuditEntryView
from comfyfleet.server.audit import repository
from comfyfleet.server.auth.dependencies import Before, Transaction, Viewer, Words

router = APIRouter(prefix="/api/audit", tags=["audit"])

Limit = Annotated[int, Query(ge=1, le=200)]


@router.get("")
async def list_audit(
    _viewer: Viewer,
    session: Transaction,
    subject: Words = "",
    action: Words = "",
    actor: Words = "",
    q: Words = "",
    before: Before = None,
    limit: Limit = 50,
) -> Envelope[Page[AuditEntryView]]:
    """List acts, newest first; `action` is a beginning such as `asset.`, and `q` is looked for in everything."""
    found = await repository.entries(
        session, subject=subject, action=action, actor=actor, text=q.strip(), before=before, limit=limit
    )
    items = [AuditEntryView.model_validate(entry, from_attributes=True) for entry in found]
    return Envelope(data=Page(items=items, next_before=found[-1].id if len(found) == limit else None))
