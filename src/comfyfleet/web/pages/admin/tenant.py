"""One tenant: its credits, its limit, its people and its keys."""

from dataclasses import dataclass
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.roles import Role
from comfyfleet.protocol.api import NewGrant, NewKey, NewUser
from comfyfleet.protocol.tenants import TenantPatch
from comfyfleet.server.auth.dependencies import Before, Name, Operator, Transaction, Viewer, WiringDep
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.credits import repository as ledger
from comfyfleet.server.jobs import repository as jobs
from comfyfleet.server.tenants import administration, keys, people, repository, service, views
from comfyfleet.web.admin import render_admin
from comfyfleet.web.forms import validated
from comfyfleet.web.notices import done

router = APIRouter(prefix="/admin/tenants/{slug}", include_in_schema=False)

_LAST_ENTRIES: Final = 8
_ENTRIES_ON_A_PAGE: Final = 50

Line = Annotated[str, Form(max_length=1000)]
ChosenRole = Annotated[Role, Form()]


@dataclass(frozen=True)
class Secret:
    """What is shown this once, to be handed over."""

    title: str
    owner: str
    value: str
    hint: str


@router.get("")
async def show_tenant(request: Request, slug: Name, viewer: Viewer, session: Transaction) -> Response:
    """Show a tenant."""
    return await _page(request, viewer, session, slug)


@router.get("/ledger")
async def show_ledger(
    request: Request, slug: Name, viewer: Viewer, session: Transaction, before: Before = None
) -> Response:
    """List how the tenant's credits moved, newest first."""
    tenant = await service.find(session, slug)
    entries = await ledger.entries(session, tenant.id, before, _ENTRIES_ON_A_PAGE)
    context = {
        "tenant": await views.with_balance(session, tenant),
        "entries": [views.entry_view(entry) for entry in entries],
        "next_before": entries[-1].id if len(entries) == _ENTRIES_ON_A_PAGE else None,
    }
    return render_admin(request, viewer, "tenants/ledger.html", context)


@router.post("/grants")
async def grant_credits(
    request: Request, slug: Name, operator: Operator, session: Transaction, amount: Line, reason: Line
) -> Response:
    """Give the tenant credits."""
    new = validated(NewGrant, amount=amount.strip(), reason=reason.strip())
    tenant = await administration.grant(session, operator, slug, new)
    return done(request, _path(slug), f"{tenant.name} got {new.amount:,} credits.")


@router.post("/settings")
async def update_tenant(
    request: Request, slug: Name, operator: Operator, session: Transaction, name: Line, max_open_jobs: Line = ""
) -> Response:
    """Change the tenant's name and limit."""
    patch = validated(TenantPatch, name=name.strip(), max_open_jobs=max_open_jobs.strip() or None)
    tenant = await administration.update(session, operator, slug, patch)
    return done(request, _path(slug), f"{tenant.name} was saved.")


@router.post("/users")
async def create_user(
    request: Request, slug: Name, operator: Operator, session: Transaction, email: Line, role: ChosenRole
) -> Response:
    """Make a person, and show the one-time password."""
    user, password = await people.create(session, operator, slug, validated(NewUser, email=email.strip(), role=role))
    return await _page(request, operator, session, slug, _one_time(user.email, password))


@router.post("/users/{user_id}/role")
async def change_role(
    request: Request, slug: Name, user_id: UUID, operator: Operator, session: Transaction, role: ChosenRole
) -> Response:
    """Give a person another role."""
    user = await people.change_role(session, operator, slug, user_id, role)
    return done(request, _path(slug), f"{user.email} is {role} now.")


@router.post("/users/{user_id}/password")
async def renew_password(
    request: Request, slug: Name, user_id: UUID, operator: Operator, session: Transaction
) -> Response:
    """Give a person a new one-time password, and show it."""
    user, password = await people.renew_password(session, operator, slug, user_id)
    return await _page(request, operator, session, slug, _one_time(user.email, password))


@router.post("/users/{user_id}/remove")
async def remove_user(
    request: Request, slug: Name, user_id: UUID, operator: Operator, session: Transaction
) -> Response:
    """Remove a person."""
    user = await people.remove(session, operator, slug, user_id)
    return done(request, _path(slug), f"{user.email} was removed.")


@router.post("/keys")
async def create_key(
    request: Request, slug: Name, operator: Operator, session: Transaction, name: Line, role: ChosenRole
) -> Response:
    """Make a key, and show its token."""
    key, token = await keys.create(session, operator, slug, validated(NewKey, name=name.strip(), role=role))
    secret = Secret("API key", key.name, token, "Keep it now: it is not shown again, and only its hash is stored.")
    return await _page(request, operator, session, slug, secret)


@router.post("/keys/{key_id}/revoke")
async def revoke_key(
    request: Request, slug: Name, key_id: UUID, operator: Operator, session: Transaction, wiring: WiringDep
) -> Response:
    """Revoke a key."""
    key = await keys.revoke(session, operator, slug, key_id, wiring.clock())
    return done(request, _path(slug), f"The key {key.name} was revoked.")


async def _page(
    request: Request, person: Principal, session: AsyncSession, slug: str, secret: Secret | None = None
) -> Response:
    tenant = await service.find(session, slug)
    entries = await ledger.entries(session, tenant.id, None, _LAST_ENTRIES)
    context = {
        "tenant": await views.with_balance(session, tenant),
        "open_jobs": await jobs.count_open(session, tenant.id),
        "entries": [views.entry_view(entry) for entry in entries],
        "users": [views.user_view(user) for user in await repository.users(session, tenant.id)],
        "keys": [views.key_view(key) for key in await repository.keys(session, tenant.id)],
        "roles": [role.value for role in Role],
        "own_id": str(person.user_id),
        "secret": secret,
        "path": _path(slug),
    }
    return render_admin(request, person, "tenants/tenant.html", context)


def _one_time(email: str, password: str) -> Secret:
    return Secret("One-time password", email, password, "Hand it over: it must be changed at the first sign-in.")


def _path(slug: str) -> str:
    return f"/admin/tenants/{slug}"
