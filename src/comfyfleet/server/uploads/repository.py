"""SQL of uploads."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.server.models import Upload


async def insert(session: AsyncSession, upload: Upload) -> None:
    """Store a new upload."""
    session.add(upload)
    await session.flush()


async def find(session: AsyncSession, tenant_id: UUID, upload_ids: Iterable[UUID]) -> dict[UUID, Upload]:
    """Return those of the uploads that exist and are the tenant's."""
    query = select(Upload).where(Upload.tenant_id == tenant_id, Upload.id.in_(list(upload_ids)))
    return {upload.id: upload for upload in await session.scalars(query)}


async def abandoned(session: AsyncSession, before: datetime) -> list[Upload]:
    """Return uploads in parts that were begun before a time and have not been stored."""
    query = select(Upload).where(Upload.store_upload_id.is_not(None), Upload.stored_at.is_(None))
    return list(await session.scalars(query.where(Upload.created_at < before).limit(100)))


async def delete_upload(session: AsyncSession, upload_id: UUID) -> None:
    """Forget an upload."""
    await session.execute(delete(Upload).where(Upload.id == upload_id))


async def mark_stored(session: AsyncSession, upload_ids: Iterable[UUID], now: datetime) -> None:
    """Note that the bytes of these uploads are in storage."""
    query = update(Upload).where(Upload.id.in_(list(upload_ids)), Upload.stored_at.is_(None))
    await session.execute(query.values(stored_at=now))
