"""Tenants and their ledgers over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query

from comfyfleet.protocol import api
from comfyfleet.protocol.envelope import Envelope, Page
from comfyfleet.protocol.tenants import TenantPage, TenantPatch
from comfyfleet.server.auth.dependencies import AnyoneSignedIn, Before, Name, Operator, Transaction, Viewer, Words
from comfyfleet.server.credits import repository as ledger
from comfyfleet.server.credits import service as credit_service
from comfyfleet.server.tenants import administration, repository, service, views

router = APIRouter(prefix="/api", tags=["tenants"])

Limit = Annotated[int, Query(ge=1, le=200)]
Offset = Annotated[int, Query(ge=0, lt=2**31)]


@router.get("/me")
async def me(principal: AnyoneSignedIn, session: Transaction) -> Envelope[api.Me]:
    """Tell who is calling and what the tenant can spend."""
    tenant = await service.own(session, principal)
    balance = await credit_service.balance(session, tenant.id)
    return Envelope(
        data=api.Me(
            email=principal.email,
            role=principal.role,
            tenant_id=str(tenant.id),
            tenant_name=tenant.name,
            balance=views.balance_view(balance),
        )
    )


@router.get("/tenants")
async def list_tenants(
    _viewer: Viewer, session: Transaction, q: Words = "", limit: Limit = 50, offset: Offset = 0
) -> Envelope[TenantPage]:
    """List tenants by name, with their balances; `q` is looked for in slugs and names."""
    tenants, total = await repository.tenants(session, q.strip(), limit=limit, offset=offset)
    return Envelope(data=TenantPage(items=await views.with_balances(session, tenants), total=total))


@router.post("/tenants", status_code=201)
async def create_tenant(body: api.NewTenant, operator: Operator, session: Transaction) -> Envelope[api.TenantView]:
    """Make a tenant."""
    return Envelope(data=await views.with_balance(session, await administration.create(session, operator, body)))


@router.get("/tenants/{slug}")
async def show_tenant(slug: Name, _viewer: Viewer, session: Transaction) -> Envelope[api.TenantView]:
    """Show a tenant."""
    return Envelope(data=await views.with_balance(session, await service.find(session, slug)))


@router.patch("/tenants/{slug}")
async def update_tenant(
    slug: Name, body: TenantPatch, operator: Operator, session: Transaction
) -> Envelope[api.TenantView]:
    """Change a tenant's name, or how many of its jobs may be open at a time; what is left out stays as it is."""
    tenant = await administration.update(session, operator, slug, body)
    return Envelope(data=await views.with_balance(session, tenant))


@router.get("/tenants/{slug}/ledger")
async def list_ledger(
    slug: Name, _viewer: Viewer, session: Transaction, before: Before = None, limit: Limit = 50
) -> Envelope[Page[api.LedgerEntryView]]:
    """List a tenant's ledger, newest first."""
    tenant = await service.find(session, slug)
    entries = await ledger.entries(session, tenant.id, before, limit)
    next_before = entries[-1].id if len(entries) == limit else None
    return Envelope(data=Page(items=[views.entry_view(entry) for entry in entries], next_before=next_before))


@router.post("/tenants/{slug}/grants", status_code=201)
async def grant(slug: Name, body: api.NewGrant, operator: Operator, session: Transaction) -> Envelope[api.TenantView]:
    """Give a tenant credits."""
    tenant = await administration.grant(session, operator, slug, body)
    return Envelope(data=await views.with_balance(session, tenant))
