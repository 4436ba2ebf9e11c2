"""What people do with API keys. Each act is noted in its transaction."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.errors import Forbidden
from comfyfleet.core.roles import Role
from comfyfleet.protocol.api import NewKey
from comfyfleet.server.audit import service as audit
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.models import ApiKey
from comfyfleet.server.tenants import service


class RoleTooHigh(Forbidden):
    """A key may do no more than who makes it."""

    code = "role_too_high"


async def create(session: AsyncSession, caller: Principal, slug: str | None, new: NewKey) -> tuple[ApiKey, str]:
    """Make a key of the caller's tenant, or of the one named; return it with its token, which is not kept."""
    tenant = await service.tenant_of(session, caller, slug, is_to_change=True)
    role = new.role or (caller.role if tenant.id == caller.tenant_id else Role.USER)
    if not caller.role.covers(role):
        raise RoleTooHigh(f"You cannot make a key of the role '{role}'.", hint=f"Your own is '{caller.role}'.")
    key, token = await service.create_key(session, tenant, new.name, role=role)
    detail = {"tenant": tenant.slug, "role": role, "hint": key.hint}
    await audit.record(session, caller, "key.create", key.name, detail)
    return key, token


async def revoke(session: AsyncSession, caller: Principal, slug: str | None, key_id: UUID, now: datetime) -> ApiKey:
    """Make a key of the caller's tenant, or of the one named, useless."""
    tenant = await service.tenant_of(session, caller, slug, is_to_change=True)
    key = await service.revoke_key(session, tenant, key_id, now)
    if key.revoked_at == now:
        detail = {"tenant": tenant.slug, "role": key.role, "hint": key.hint}
        await audit.record(session, caller, "key.revoke", key.name, detail)
    return key
