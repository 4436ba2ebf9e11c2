"""Tenants, users, keys and ledgers over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.credits import Balance, EntryKind
from comfyfleet.core.roles import Role
from comfyfleet.protocol import api
from comfyfleet.protocol.envelope import Envelope, Page
from comfyfleet.server.auth.dependencies import (
    AnyoneSignedIn,
    Before,
    Operator,
    SignedIn,
    Transaction,
    Viewer,
    WiringDep,
)
from comfyfleet.server.credits import repository as ledger
from comfyfleet.server.credits import service as credit_service
from comfyfleet.server.models import ApiKey, CreditEntry, Tenant
from comfyfleet.server.tenants import repository, service

router = APIRouter(prefix="/api", tags=["tenants"])

Limit = Annotated[int, Query(ge=1, le=200)]


@router.get("/me")
async def me(principal: AnyoneSignedIn, session: Transaction) -> Envelope[api.Me]:
    """Tell who is calling and what the tenant can spend."""
    tenant = await service.tenant_of(session, principal, None)
    balance = await credit_service.balance(session, tenant.id)
    return Envelope(
        data=api.Me(
            email=principal.email,
            role=principal.role,
            tenant_id=str(tenant.id),
            tenant_name=tenant.name,
            balance=_balance_view(balance),
        )
    )


@router.get("/tenants")
async def list_tenants(_viewer: Viewer, session: Transaction) -> Envelope[list[api.TenantView]]:
    """List all tenants with their balances."""
    tenants = await repository.tenants(session)
    balances = await credit_service.balances(session, [tenant.id for tenant in tenants])
    return Envelope(data=[_tenant_view(tenant, balances[tenant.id]) for tenant in tenants])


@router.post("/tenants", status_code=201)
async def create_tenant(body: api.NewTenant, _operator: Operator, session: Transaction) -> Envelope[api.TenantView]:
    """Make a tenant."""
    tenant = await service.create_tenant(session, body.slug, body.name)
    return Envelope(data=await _with_balance(session, tenant))


@router.get("/tenants/{slug}")
async def show_tenant(slug: str, viewer: Viewer, session: Transaction) -> Envelope[api.TenantView]:
    """Show a tenant."""
    return Envelope(data=await _with_balance(session, await service.tenant_of(session, viewer, slug)))


@router.get("/tenants/{slug}/ledger")
async def list_ledger(
    slug: str, viewer: Viewer, session: Transaction, before: Before = None, limit: Limit = 50
) -> Envelope[Page[api.LedgerEntryView]]:
    """List a tenant's ledger, newest first."""
    tenant = await service.tenant_of(session, viewer, slug)
    entries = await ledger.entries(session, tenant.id, before, limit)
    next_before = entries[-1].id if len(entries) == limit else None
    return Envelope(data=Page(items=[_entry_view(entry) for entry in entries], next_before=next_before))


@router.post("/tenants/{slug}/grants", status_code=201)
async def grant(slug: str, body: api.NewGrant, operator: Operator, session: Transaction) -> Envelope[api.TenantView]:
    """Give a tenant credits."""
    tenant = await service.tenant_of(session, operator, slug)
    await credit_service.grant(session, tenant.id, body.amount, body.reason)
    return Envelope(data=await _with_balance(session, tenant))


@router.post("/tenants/{slug}/users", status_code=201)
async def create_user(
    slug: str, body: api.NewUser, operator: Operator, session: Transaction
) -> Envelope[api.NewUserView]:
    """Make a user of a tenant."""
    tenant = await service.tenant_of(session, operator, slug)
    user, password = await service.create_user(session, tenant, body.email, role=body.role)
    return Envelope(data=api.NewUserView(id=str(user.id), email=user.email, one_time_password=password))


@router.get("/keys")
async def list_keys(
    principal: SignedIn, session: Transaction, tenant: str | None = None
) -> Envelope[list[api.KeyView]]:
    """List a tenant's keys."""
    owner = await service.tenant_of(session, principal, tenant)
    return Envelope(data=[_key_view(key) for key in await repository.keys(session, owner.id)])


@router.post("/keys", status_code=201)
async def create_key(
    body: api.NewKey, principal: SignedIn, session: Transaction, tenant: str | None = None
) -> Envelope[api.NewKeyView]:
    """Make a key. One for the own tenant has the caller's role."""
    owner = await service.tenant_of(session, principal, tenant, is_to_change=True)
    role = principal.role if owner.id == principal.tenant_id else Role.USER
    key, token = await service.create_key(session, owner, body.name, role=role)
    await session.refresh(key)
    return Envelope(data=api.NewKeyView(key=_key_view(key), token=token))


@router.delete("/keys/{key_id}")
async def revoke_key(
    key_id: UUID, principal: SignedIn, session: Transaction, wiring: WiringDep, tenant: str | None = None
) -> Envelope[api.KeyView]:
    """Revoke a key."""
    owner = await service.tenant_of(session, principal, tenant, is_to_change=True)
    return Envelope(data=_key_view(await service.revoke_key(session, owner, key_id, wiring.clock())))


async def _with_balance(session: AsyncSession, tenant: Tenant) -> api.TenantView:
    return _tenant_view(tenant, await credit_service.balance(session, tenant.id))


def _balance_view(balance: Balance) -> api.BalanceView:
    return api.BalanceView(available=balance.available, reserved=balance.reserved, consumed=balance.consumed)


def _tenant_view(tenant: Tenant, balance: Balance) -> api.TenantView:
    return api.TenantView(
        id=str(tenant.id),
        name=tenant.name,
        slug=tenant.slug,
        balance=_balance_view(balance),
        created_at=tenant.created_at,
    )


def _entry_view(entry: CreditEntry) -> api.LedgerEntryView:
    return api.LedgerEntryView(
        id=entry.id,
        kind=EntryKind(entry.kind),
        amount=entry.amount,
        job_id=entry.job_id,
        reason=entry.reason,
        at=entry.created_at,
    )


def _key_view(key: ApiKey) -> api.KeyView:
    return api.KeyView(
        id=str(key.id),
        name=key.name,
        hint=key.hint,
        created_at=key.created_at,
        last_used_at=key.last_used_at,
        revoked_at=key.revoked_at,
    )
