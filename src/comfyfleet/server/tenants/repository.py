"""SQL of tenants, users and keys."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.roles import Role
from comfyfleet.server.models import ApiKey, Tenant, User


async def tenant_by_slug(session: AsyncSession, slug: str) -> Tenant | None:
    """Find a tenant by slug."""
    return await session.scalar(select(Tenant).where(Tenant.slug == slug))


async def tenant_by_id(session: AsyncSession, tenant_id: UUID) -> Tenant | None:
    """Find a tenant."""
    return await session.get(Tenant, tenant_id)


async def tenants(session: AsyncSession) -> list[Tenant]:
    """Return all tenants by name."""
    return list(await session.scalars(select(Tenant).order_by(Tenant.name, Tenant.id)))


async def insert_tenant(session: AsyncSession, slug: str, name: str) -> Tenant:
    """Store a new tenant."""
    tenant = Tenant(slug=slug, name=name)
    session.add(tenant)
    await session.flush()
    return tenant


async def any_user(session: AsyncSession) -> User | None:
    """Return some user, or None in a new installation."""
    return await session.scalar(select(User).limit(1))


async def insert_user(session: AsyncSession, tenant_id: UUID, email: str, password_hash: str, *, role: Role) -> User:
    """Store a new user, whose password must be changed at the first sign-in."""
    user = User(tenant_id=tenant_id, email=email, password_hash=password_hash, role=role, must_change_password=True)
    session.add(user)
    await session.flush()
    return user


async def insert_key(
    session: AsyncSession, tenant_id: UUID, name: str, token_hash: str, hint: str, *, role: Role
) -> ApiKey:
    """Store a new key."""
    key = ApiKey(tenant_id=tenant_id, name=name, token_hash=token_hash, hint=hint, role=role)
    session.add(key)
    await session.flush()
    return key


async def keys(session: AsyncSession, tenant_id: UUID) -> list[ApiKey]:
    """Return a tenant's keys, newest first."""
    query = select(ApiKey).where(ApiKey.tenant_id == tenant_id)
    return list(await session.scalars(query.order_by(ApiKey.created_at.desc(), ApiKey.id)))


async def revoke_key(session: AsyncSession, tenant_id: UUID, key_id: UUID, now: datetime) -> ApiKey | None:
    """Revoke a key of a tenant, once; return it, or None when the tenant has no such key."""
    query = select(ApiKey).where(ApiKey.tenant_id == tenant_id, ApiKey.id == key_id).with_for_update()
    key = await session.scalar(query)
    if key is not None and key.revoked_at is None:
        key.revoked_at = now
    return key
