"""Tenants, people, keys and ledgers as the API shows them."""

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.credits import Balance, EntryKind
from comfyfleet.core.roles import Role
from comfyfleet.protocol import api
from comfyfleet.protocol.tenants import UserView
from comfyfleet.server.credits import service as credit_service
from comfyfleet.server.models import ApiKey, CreditEntry, Tenant, User


async def with_balance(session: AsyncSession, tenant: Tenant) -> api.TenantView:
    """Return a tenant with its balance."""
    return tenant_view(tenant, await credit_service.balance(session, tenant.id))


async def with_balances(session: AsyncSession, tenants: list[Tenant]) -> list[api.TenantView]:
    """Return tenants with their balances."""
    balances = await credit_service.balances(session, [tenant.id for tenant in tenants])
    return [tenant_view(tenant, balances[tenant.id]) for tenant in tenants]


def tenant_view(tenant: Tenant, balance: Balance) -> api.TenantView:
    """Return a tenant whose balance is known."""
    return api.TenantView(
        id=str(tenant.id),
        name=tenant.name,
        slug=tenant.slug,
        balance=balance_view(balance),
        max_open_jobs=tenant.max_open_jobs,
        created_at=tenant.created_at,
    )


def balance_view(balance: Balance) -> api.BalanceView:
    """Return a balance."""
    return api.BalanceView(available=balance.available, reserved=balance.reserved, consumed=balance.consumed)


def entry_view(entry: CreditEntry) -> api.LedgerEntryView:
    """Return one entry of a ledger."""
    return api.LedgerEntryView(
        id=entry.id,
        kind=EntryKind(entry.kind),
        amount=entry.amount,
        job_id=entry.job_id,
        reason=entry.reason,
        at=entry.created_at,
    )


def user_view(user: User) -> UserView:
    """Return a person."""
    return UserView(
        id=str(user.id),
        email=user.email,
        role=Role(user.role),
        must_change_password=user.must_change_password,
        created_at=user.created_at,
    )


def key_view(key: ApiKey) -> api.KeyView:
    """Return a key."""
    return api.KeyView(
        id=str(key.id),
        name=key.name,
        role=Role(key.role),
        hint=key.hint,
        created_at=key.created_at,
        last_used_at=key.last_used_at,
        revoked_at=key.revoked_at,
    )
