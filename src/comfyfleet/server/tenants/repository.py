"""SQL of tenants, users and keys."""

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.roles import Role
from comfyfleet.server.models import ApiKey, Tenant, User

_MOST: Final = 1000


async def tenant_by_slug(session: AsyncSession, slug: str) -> Tenant | None:
    """Find a tenant by slug."""
    return await session.scalar(select(Tenant).where(Tenant.slug == slug))


async def tenant_by_id(session: AsyncSession, tenant_id: UUID) -> Tenant:
    """Return a tenant that is known to exist: tenants are never removed."""
    return await session.get_one(Tenant, tenant_id)


async def tenants(session: AsyncSession, text: str, *, limit: int, offset: int) -> tuple[list[Tenant], int]:
    """Return tenants by name whose name or slug holds a text, and how many there are of them."""
    fits = or_(Tenant.slug.icontains(text, autoescape=True), Tenant.name.icontains(text, autoescape=True))
    total = await session.scalar(select(func.count()).select_from(Tenant).where(fits)) or 0
    query = select(Tenant).where(fits).order_by(Tenant.name, Tenant.id).limit(limit).offset(offset)
    return list(await session.scalars(query)), total


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


async def users(session: AsyncSession, tenant_id: UUID) -> list[User]:
    """Return a tenant's people by address, 1,000 at most."""
    query = select(User).where(User.tenant_id == tenant_id).order_by(User.email)
    return list(await session.scalars(query.limit(_MOST)))


async def user(session: AsyncSession, tenant_id: UUID, user_id: UUID) -> User | None:
    """Find a person of a tenant, and keep others from changing it."""
    query = select(User).where(User.tenant_id == tenant_id, User.id == user_id)
    return await session.scalar(query.with_for_update())


async def delete_user(session: AsyncSession, user: User) -> None:
    """Remove a person and the person's sessions."""
    await session.delete(user)
    await session.flush()


async def lock_operators(session: AsyncSession) -> list[UUID]:
    """Return the ids of all operators, and keep others from changing them; to be called before a person is locked."""
    query = select(User.id).where(User.role == Role.OPERATOR).order_by(User.id).with_for_update()
    return list(await session.scalars(query))


async def insert_key(
    session: AsyncSession, tenant_id: UUID, name: str, token_hash: str, hint: str, *, role: Role
) -> ApiKey:
    """Store a new key."""
    key = ApiKey(tenant_id=tenant_id, name=name, token_hash=token_hash, hint=hint, role=role)
    session.add(key)
    await session.flush()
    return key


async def keys(session: AsyncSession, tenant_id: UUID) -> list[ApiKey]:
    """Return a tenant's keys, newest first, 1,000 at most."""
    query = select(ApiKey).where(ApiKey.tenant_id == tenant_id)
    return list(await session.scalars(query.order_by(ApiKey.created_at.desc(), ApiKey.id).limit(_MOST)))


async def revoke_key(session: AsyncSession, tenant_id: UUID, key_id: UUID, now: datetime) -> ApiKey | None:
    """Revoke a key of a tenant, once; return it, or None when the tenant has no such key."""
    query = select(ApiKey).where(ApiKey.tenant_id == tenant_id, ApiKey.id == key_id).with_for_update()
    key = await session.scalar(query)
    if key is not None and key.revoked_at is None:
        key.revoked_at = now
    return key
