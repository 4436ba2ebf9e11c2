"""SQL of bundles."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import String, cast, delete, func, or_, select, text, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from comfyfleet.server.models import Asset, Bundle, Fleet, FleetActivation

_VERSION_LOCK = 0x62756E64  # "bund"; two versions of a name are numbered one after the other


async def by_id(session: AsyncSession, bundle_id: UUID) -> Bundle | None:
    """Find a bundle and its entries by id."""
    return await session.get(Bundle, bundle_id, options=[selectinload(Bundle.entries)])


async def by_name(session: AsyncSession, name: str, version: int | None = None) -> Bundle | None:
    """Find a bundle and its entries by name and version; without a version the newest of that name."""
    query = select(Bundle).where(Bundle.name == name).options(selectinload(Bundle.entries))
    if version is not None:
        query = query.where(Bundle.version == version)
    return await session.scalar(query.order_by(Bundle.version.desc()).limit(1))


async def ids_beginning_with(session: AsyncSession, prefix: str) -> list[UUID]:
    """Return the ids, three at most, whose text begins so."""
    query = select(Bundle.id).where(cast(Bundle.id, String).startswith(prefix, autoescape=True))
    return list(await session.scalars(query.order_by(Bundle.id).limit(3)))


async def next_version(session: AsyncSession, name: str) -> int:
    """Return the version that comes next, and hold the name's numbering until the transaction ends."""
    await session.execute(
        text("SELECT pg_advisory_xact_lock(:space, hashtext(:name))"), {"space": _VERSION_LOCK, "name": name}
    )
    return await highest_version(session, name) + 1


async def insert(session: AsyncSession, bundle: Bundle) -> None:
    """Store a new bundle and its entries."""
    session.add(bundle)
    await session.flush()


async def newest(session: AsyncSession, *, q: str = "", limit: int, offset: int) -> tuple[list[Bundle], int]:
    """Return bundles with `q` in name or notes, without their entries, newest first, and how many there are."""
    fits = or_(*(column.icontains(q, autoescape=True) for column in (Bundle.name, Bundle.notes))) if q else true()
    query = select(Bundle).where(fits).order_by(Bundle.created_at.desc(), Bundle.id).limit(limit).offset(offset)
    total = await session.scalar(select(func.count()).select_from(Bundle).where(fits)) or 0
    return list(await session.scalars(query)), total


async def highest_version(session: AsyncSession, name: str) -> int:
    """Return the newest version of a name; 0 if there is none."""
    return await session.scalar(select(func.max(Bundle.version)).where(Bundle.name == name)) or 0


async def active_in(session: AsyncSession, bundle_ids: Sequence[UUID]) -> dict[UUID, list[str]]:
    """Return `stage/slug` of the fleets that point to each bundle."""
    query = select(Fleet.active_bundle_id, Fleet.stage, Fleet.slug).where(Fleet.active_bundle_id.in_(bundle_ids))
    result: dict[UUID, list[str]] = {bundle_id: [] for bundle_id in bundle_ids}
    for bundle_id, stage, slug in await session.execute(query.order_by(Fleet.stage, Fleet.slug)):
        if bundle_id is not None:
            result[bundle_id].append(f"{stage}/{slug}")
    return result


async def existing(session: AsyncSession, bundle_ids: Collection[UUID]) -> set[UUID]:
    """Return those of the ids that bundles have."""
    return set(await session.scalars(select(Bundle.id).where(Bundle.id.in_(bundle_ids))))


async def never_used(session: AsyncSession, before: datetime) -> list[Bundle]:
    """Return the bundles made before a time that no fleet points to or ever pointed to, oldest first."""
    points = select(Fleet.id).where(Fleet.active_bundle_id == Bundle.id).exists()
    pointed = select(FleetActivation.id).where(FleetActivation.bundle_id == Bundle.id).exists()
    query = select(Bundle).where(Bundle.created_at <= before, ~points, ~pointed)
    return list(await session.scalars(query.order_by(Bundle.created_at, Bundle.id)))


async def lock(session: AsyncSession, bundle_id: UUID) -> bool:
    """Hold a bundle until the transaction ends; return False if there is none."""
    query = select(Bundle.id).where(Bundle.id == bundle_id).with_for_update()
    return await session.scalar(query) is not None


async def remove(session: AsyncSession, bundle_id: UUID) -> None:
    """Delete a bundle and its entries."""
    await session.execute(delete(Bundle).where(Bundle.id == bundle_id))


async def assets_by_id(session: AsyncSession, asset_ids: Collection[int]) -> dict[int, Asset]:
    """Return those of the assets that exist, with their names, by id."""
    query = select(Asset).where(Asset.id.in_(asset_ids)).options(selectinload(Asset.names))
    return {asset.id: asset for asset in await session.scalars(query)}


async def hold_assets(session: AsyncSession, asset_ids: Collection[int]) -> dict[int, str]:
    """Let nobody change these assets until the transaction ends; return the keys of those that exist, by id."""
    query = select(Asset.id, Asset.object_key).where(Asset.id.in_(asset_ids)).order_by(Asset.id)
    return {row.id: row.object_key for row in await session.execute(query.with_for_update(read=True))}
