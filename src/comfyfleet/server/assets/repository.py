"""SQL of assets."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import aliased, load_only

from comfyfleet.core.assets import AssetKind
from comfyfleet.server.models import Asset, AssetName, Bundle, BundleEntry


class AssetOrder(StrEnum):
    """In which order assets are listed."""

    NEWEST = "newest"
    NAME = "name"
    SIZE = "size"


@dataclass(frozen=True)
class AssetFilter:
    """Which assets are meant. `text` is looked for in names and notes, and as the beginning of a digest."""

    text: str = ""
    kind: AssetKind | None = None
    is_unused: bool = False
    is_quarantined: bool = False


async def by_id(session: AsyncSession, asset_id: int) -> Asset | None:
    """Find an asset."""
    return await session.get(Asset, asset_id)


async def by_sha256(session: AsyncSession, sha256: str) -> Asset | None:
    """Find an asset by its digest."""
    return await session.scalar(select(Asset).where(Asset.sha256 == sha256))


async def by_digest_prefix(session: AsyncSession, prefix: str, limit: int) -> list[Asset]:
    """Return assets whose digest begins so."""
    query = select(Asset).where(Asset.sha256.startswith(prefix, autoescape=True))
    return list(await session.scalars(query.order_by(Asset.id).limit(limit)))


async def by_filename(session: AsyncSession, filename: str, limit: int) -> list[Asset]:
    """Return assets that came under a name."""
    query = select(Asset).join(AssetName, AssetName.asset_id == Asset.id).where(AssetName.filename == filename)
    return list(await session.scalars(query.order_by(Asset.id).limit(limit)))


async def is_any_like(session: AsyncSession, size: int, head_sha256: str) -> bool:
    """Tell whether the library has an asset of this size that begins so."""
    query = select(exists().where(Asset.size == size, Asset.head_sha256 == head_sha256))
    return bool(await session.scalar(query))


async def search(
    session: AsyncSession, wanted: AssetFilter, order: AssetOrder, *, limit: int, offset: int
) -> list[Asset]:
    """Return a page of assets."""
    query = _ordered(_filtered(select(Asset), wanted), order).limit(limit).offset(offset)
    return list(await session.scalars(query))


async def count(session: AsyncSession, wanted: AssetFilter) -> tuple[int, int]:
    """Return how many assets are meant, and their bytes."""
    query = _filtered(select(func.count(), func.coalesce(func.sum(Asset.size), 0)).select_from(Asset), wanted)
    number, size = (await session.execute(query)).one()
    return int(number), int(size)


async def uses(session: AsyncSession, asset_ids: Sequence[int]) -> dict[int, list[Bundle]]:
    """Return the bundles that need each asset, newest first; of each its name and version, not its long texts."""
    columns = load_only(Bundle.name, Bundle.version, Bundle.created_at, raiseload=True)
    query = select(BundleEntry.asset_id, Bundle).join(Bundle, Bundle.id == BundleEntry.bundle_id).distinct()
    query = query.options(columns)
    rows = await session.execute(query.where(BundleEntry.asset_id.in_(asset_ids)))
    found: dict[int, list[Bundle]] = {asset_id: [] for asset_id in asset_ids}
    for asset_id, bundle in rows:
        found[asset_id].append(bundle)
    return {key: sorted(bundles, key=lambda one: one.created_at, reverse=True) for key, bundles in found.items()}


async def use_counts(session: AsyncSession, asset_ids: Sequence[int]) -> dict[int, int]:
    """Return how many bundles need each asset; one that none needs is left out."""
    number = func.count(BundleEntry.bundle_id.distinct())
    query = select(BundleEntry.asset_id, number).where(BundleEntry.asset_id.in_(asset_ids))
    rows = await session.execute(query.group_by(BundleEntry.asset_id))
    return dict(rows.all())


async def add(session: AsyncSession, asset: Asset) -> None:
    """Store a new asset."""
    session.add(asset)
    await session.flush()


async def add_name(session: AsyncSession, asset: Asset, filename: str) -> None:
    """Note that an asset came under a name, as its newest one."""
    await session.execute(delete(AssetName).where(AssetName.asset_id == asset.id, AssetName.filename == filename))
    await session.execute(insert(AssetName).values(asset_id=asset.id, filename=filename))
    await session.refresh(asset, ["names"])


async def hold(session: AsyncSession, asset_id: int) -> Asset | None:
    """Return an asset that nobody else changes, or puts into a bundle, before the transaction ends."""
    return await session.scalar(select(Asset).where(Asset.id == asset_id).with_for_update(of=Asset))


@contextlib.asynccontextmanager
async def alone_with(engine: AsyncEngine, sha256: str) -> AsyncIterator[None]:
    """Let nobody else store, move or delete the bytes of a digest meanwhile; waits for its turn.

    A connection holds the lock, not a transaction: to move a large object on S3 takes minutes.
    """
    key = int(sha256[:15], 16)  # of the 63 bits that a lock can have
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        try:
            await connection.execute(select(func.pg_advisory_lock(key)))
            yield
        finally:
            await connection.execute(select(func.pg_advisory_unlock(key)))


async def remove(session: AsyncSession, asset: Asset) -> None:
    """Forget an asset."""
    await session.delete(asset)
    await session.flush()


def _ordered(query: Any, order: AssetOrder) -> Any:
    if order is AssetOrder.NEWEST:
        return query.order_by(Asset.id.desc())
    if order is AssetOrder.SIZE:
        return query.order_by(Asset.size.desc(), Asset.id)
    # One pass over the names; a subquery for each asset can be planned as one pass for each.
    newest = select(AssetName.asset_id, func.max(AssetName.id).label("id")).group_by(AssetName.asset_id).subquery()
    name = aliased(AssetName)
    query = query.outerjoin(newest, newest.c.asset_id == Asset.id).outerjoin(name, name.id == newest.c.id)
    return query.order_by(func.lower(name.filename), Asset.id)


def _filtered(query: Any, wanted: AssetFilter) -> Any:
    if wanted.kind is not None:
        query = query.where(Asset.kind == wanted.kind)
    if wanted.is_quarantined:
        query = query.where(Asset.is_quarantined, Asset.released_by.is_(None))
    if wanted.is_unused:
        query = query.where(~exists().where(BundleEntry.asset_id == Asset.id))
    if wanted.text:
        named = exists().where(
            AssetName.asset_id == Asset.id, AssetName.filename.icontains(wanted.text, autoescape=True)
        )
        query = query.where(
            or_(
                named,
                Asset.notes.icontains(wanted.text, autoescape=True),
                Asset.sha256.startswith(wanted.text.lower(), autoescape=True),
            )
        )
    return query
