"""How credits move. Each act happens once for a job, whatever is retried."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.credits import Balance, EntryKind, LedgerConflict, balance_of, check_affordable
from comfyfleet.server.credits import repository


async def balance(session: AsyncSession, tenant_id: UUID) -> Balance:
    """Return what a tenant can spend, has reserved and has consumed."""
    return (await balances(session, [tenant_id]))[tenant_id]


async def balances(session: AsyncSession, tenant_ids: list[UUID]) -> dict[UUID, Balance]:
    """Return the balance of each tenant."""
    totals = await repository.totals(session, tenant_ids)
    return {tenant_id: balance_of(totals.get(tenant_id, [])) for tenant_id in tenant_ids}


async def grant(session: AsyncSession, tenant_id: UUID, amount: int, reason: str) -> None:
    """Give a tenant credits."""
    await repository.insert_grant(session, tenant_id, amount, reason)


async def lock(session: AsyncSession, tenant_id: UUID) -> None:
    """Let nobody else spend the tenant's credits until the transaction ends."""
    await repository.lock_tenant(session, tenant_id)


async def check(session: AsyncSession, tenant_id: UUID, cost: int) -> None:
    """Raise `CreditsInsufficient` unless the tenant, whose credits are locked, can spend `cost`."""
    check_affordable(await balance(session, tenant_id), cost)


async def reserve(session: AsyncSession, tenant_id: UUID, cost: int, job_id: int) -> None:
    """Reserve a job's cost, after `check` in the same transaction."""
    await repository.insert_job_entry(session, tenant_id, EntryKind.RESERVE, cost, job_id)


async def consume(session: AsyncSession, tenant_id: UUID, cost: int, job_id: int) -> None:
    """Spend what was reserved for a job; raise `LedgerConflict` if it was refunded before."""
    await _settle(session, tenant_id, EntryKind.CONSUME, cost, job_id)


async def refund(session: AsyncSession, tenant_id: UUID, cost: int, job_id: int) -> None:
    """Give back what was reserved for a job; raise `LedgerConflict` if it was consumed before."""
    await _settle(session, tenant_id, EntryKind.REFUND, cost, job_id)


async def _settle(session: AsyncSession, tenant_id: UUID, kind: EntryKind, cost: int, job_id: int) -> None:
    if await repository.insert_job_entry(session, tenant_id, kind, cost, job_id):
        return
    if kind not in await repository.job_kinds(session, job_id):
        raise LedgerConflict(f"The credits of job {job_id} were already settled otherwise.")
