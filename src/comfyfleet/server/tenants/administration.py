"""What operators do with tenants: make, change, and give credits. Each act is noted in its transaction."""

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.protocol.api import NewGrant, NewTenant
from comfyfleet.protocol.tenants import TenantPatch
from comfyfleet.server.audit import service as audit
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.credits import service as credit_service
from comfyfleet.server.models import Tenant
from comfyfleet.server.tenants import service


async def create(session: AsyncSession, operator: Principal, new: NewTenant) -> Tenant:
    """Make a tenant with no credits."""
    tenant = await service.create_tenant(session, new.slug, new.name)
    await audit.record(session, operator, "tenant.create", tenant.slug, {"name": tenant.name})
    return tenant


async def update(session: AsyncSession, operator: Principal, slug: str, patch: TenantPatch) -> Tenant:
    """Change a tenant's name, or how many of its jobs may be open at a time; those that are open stay."""
    tenant = await service.find(session, slug)
    given = patch.model_dump(exclude_unset=True, exclude={"name"} if patch.name is None else None)
    changes = {name: [getattr(tenant, name), value] for name, value in given.items() if getattr(tenant, name) != value}
    if not changes:
        return tenant
    for name, (_, value) in changes.items():
        setattr(tenant, name, value)
    await session.flush()
    await audit.record(session, operator, "tenant.update", tenant.slug, {"changes": changes})
    return tenant


async def grant(session: AsyncSession, operator: Principal, slug: str, new: NewGrant) -> Tenant:
    """Give a tenant credits, for a reason that its ledger keeps."""
    tenant = await service.find(session, slug)
    await credit_service.grant(session, tenant.id, new.amount, new.reason)
    detail = {"amount": new.amount, "reason": new.reason}
    await audit.record(session, operator, "credits.grant", tenant.slug, detail)
    return tenant
