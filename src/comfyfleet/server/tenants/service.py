"""The verbs of tenants, users and keys."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.errors import Conflict, NotFound
from comfyfleet.core.roles import Role
from comfyfleet.core.secrets import API_KEY_PREFIX, hash_token, new_token
from comfyfleet.core.workflows import check_slug
from comfyfleet.server.auth.passwords import hash_password, new_one_time_password
from comfyfleet.server.auth.principal import AdminOnly, Principal
from comfyfleet.server.auth.repository import user_by_email
from comfyfleet.server.models import ApiKey, Tenant, User
from comfyfleet.server.tenants import repository


class TenantNotFound(NotFound):
    """No such tenant."""

    code = "tenant_not_found"


class TenantExists(Conflict):
    """The slug is taken."""

    code = "tenant_exists"


class UserExists(Conflict):
    """The address is taken."""

    code = "user_exists"


class KeyNotFound(NotFound):
    """No such key."""

    code = "key_not_found"


async def tenant_of(
    session: AsyncSession, principal: Principal, slug: str | None, *, is_to_change: bool = False
) -> Tenant:
    """Return the caller's tenant, or the one named, for a caller who may see it, or change what it has."""
    if slug is None:
        return await own(session, principal)
    if not (principal.role.can_operate if is_to_change else principal.role.can_view):
        raise AdminOnly("Only an administrator may name a tenant.", hint="Leave the tenant out.")
    return await find(session, slug)


async def own(session: AsyncSession, principal: Principal) -> Tenant:
    """Return the caller's tenant."""
    return await repository.tenant_by_id(session, principal.tenant_id)


async def find(session: AsyncSession, slug: str) -> Tenant:
    """Return a tenant; raise `TenantNotFound`."""
    tenant = await repository.tenant_by_slug(session, slug)
    if tenant is None:
        raise TenantNotFound(f"There is no tenant '{slug}'.", hint="List them with `comfyfleet tenants list`.")
    return tenant


async def create_tenant(session: AsyncSession, slug: str, name: str) -> Tenant:
    """Make a tenant with no credits."""
    check_slug(slug)
    if await repository.tenant_by_slug(session, slug) is not None:
        raise TenantExists(f"There is a tenant '{slug}' already.", hint="Choose another slug.")
    return await repository.insert_tenant(session, slug, name)


async def create_user(session: AsyncSession, tenant: Tenant, email: str, *, role: Role) -> tuple[User, str]:
    """Make a user; return it with its one-time password."""
    if await user_by_email(session, email) is not None:
        raise UserExists(f"There is a user '{email}' already.", hint="Use another address.")
    password = new_one_time_password()
    user = await repository.insert_user(session, tenant.id, email, await hash_password(password), role=role)
    return user, password


async def create_key(session: AsyncSession, tenant: Tenant, name: str, *, role: Role) -> tuple[ApiKey, str]:
    """Make an API key; return it with its token, which is not kept."""
    token = new_token(API_KEY_PREFIX)
    hint = f"{token[:8]}…{token[-4:]}"
    key = await repository.insert_key(session, tenant.id, name, hash_token(token), hint, role=role)
    return key, token


async def revoke_key(session: AsyncSession, tenant: Tenant, key_id: UUID, now: datetime) -> ApiKey:
    """Make a key useless."""
    key = await repository.revoke_key(session, tenant.id, key_id, now)
    if key is None:
        raise KeyNotFound("There is no such key.", hint="List them with `comfyfleet keys list`.")
    return key
