"""SQL of the credit ledger."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.credits import EntryKind
from comfyfleet.server.models import CreditEntry, Tenant


async def lock_tenant(session: AsyncSession, tenant_id: UUID) -> None:
    """Let one transaction at a time spend a tenant's credits."""
    await session.execute(select(Tenant.id).where(Tenant.id == tenant_id).with_for_update(key_share=True))


async def totals(session: AsyncSession, tenant_ids: Iterable[UUID]) -> dict[UUID, list[tuple[EntryKind, int]]]:
    """Return the sum of each kind of entry for each tenant."""
    query = select(CreditEntry.tenant_id, CreditEntry.kind, func.sum(CreditEntry.amount))
    query = query.where(CreditEntry.tenant_id.in_(list(tenant_ids)))
    rows = await session.execute(query.group_by(CreditEntry.tenant_id, CreditEntry.kind))
    result: dict[UUID, list[tuple[EntryKind, int]]] = {}
    for tenant_id, kind, amount in rows:
        result.setdefault(tenant_id, []).append((EntryKind(kind), int(amount)))
    return result


async def insert_grant(session: AsyncSession, tenant_id: UUID, amount: int, reason: str) -> None:
    """Append a grant."""
    session.add(CreditEntry(tenant_id=tenant_id, kind=EntryKind.GRANT, amount=amount, reason=reason))
    await session.flush()


async def insert_job_entry(session: AsyncSession, tenant_id: UUID, kind: EntryKind, amount: int, job_id: int) -> bool:
    """Append an entry of a job, unless the job has one that excludes it; tell whether it was appended."""
    statement = insert(CreditEntry).values(tenant_id=tenant_id, kind=kind, amount=amount, job_id=job_id, reason="")
    inserted = await session.scalar(statement.on_conflict_do_nothing().returning(CreditEntry.id))
    return inserted is not None


async def job_kinds(session: AsyncSession, job_id: int) -> set[EntryKind]:
    """Return the kinds of entry that a job has."""
    kinds = await session.scalars(select(CreditEntry.kind).where(CreditEntry.job_id == job_id))
    return {EntryKind(kind) for kind in kinds}


async def entries(session: AsyncSession, tenant_id: UUID, before: int | None, limit: int) -> list[CreditEntry]:
    """Return a tenant's entries, newest first."""
    query = select(CreditEntry).where(CreditEntry.tenant_id == tenant_id)
    if before is not None:
        query = query.where(CreditEntry.id < before)
    return list(await session.scalars(query.order_by(CreditEntry.id.desc()).limit(limit)))
