"""SQL of the library's uploads."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.protocol.library import UploadState
from comfyfleet.server.models import AssetUpload

_MOST_VERIFYING: Final = 100


async def find(session: AsyncSession, tenant_id: UUID, upload_id: UUID) -> AssetUpload | None:
    """Find a tenant's upload."""
    query = select(AssetUpload).where(AssetUpload.id == upload_id, AssetUpload.tenant_id == tenant_id)
    return await session.scalar(query)


async def resumable(
    session: AsyncSession, tenant_id: UUID, filename: str, size: int, head_sha256: str
) -> AssetUpload | None:
    """Return the newest unfinished upload of what looks like the same file."""
    query = select(AssetUpload).where(
        AssetUpload.tenant_id == tenant_id,
        AssetUpload.size == size,
        AssetUpload.head_sha256 == head_sha256,
        AssetUpload.filename == filename,
        AssetUpload.state == UploadState.RECEIVING,
        AssetUpload.import_url.is_(None),
    )
    return await session.scalar(query.order_by(AssetUpload.created_at.desc()).limit(1))


async def verifying(session: AsyncSession, tenant_id: UUID, size: int, head_sha256: str) -> list[AssetUpload]:
    """Return uploads that were sent whole and are looked at now, of bytes of this size that begin so."""
    query = select(AssetUpload).where(
        AssetUpload.tenant_id == tenant_id,
        AssetUpload.size == size,
        AssetUpload.head_sha256 == head_sha256,
        AssetUpload.state == UploadState.VERIFYING,
    )
    return list(await session.scalars(query.limit(_MOST_VERIFYING)))


async def insert(session: AsyncSession, upload: AssetUpload) -> None:
    """Store a new upload."""
    session.add(upload)
    await session.flush()


async def change(session: AsyncSession, upload_id: UUID, present: UploadState, **values: Any) -> bool:
    """Change an upload whose present state is this; return whether it was."""
    query = update(AssetUpload).where(AssetUpload.id == upload_id, AssetUpload.state == present)
    result = await session.execute(query.values(**values).returning(AssetUpload.id))
    return result.first() is not None


async def claim(session: AsyncSession, state: UploadState, now: datetime, until: datetime) -> AssetUpload | None:
    """Take, until a time, the oldest upload to verify, or import to receive, that nobody works on; or return None."""
    due = (
        select(AssetUpload.id)
        .where(
            AssetUpload.state == state,
            _needs_us(),
            or_(AssetUpload.lease_expires_at.is_(None), AssetUpload.lease_expires_at < now),
        )
        .order_by(AssetUpload.touched_at)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    taken = update(AssetUpload).where(AssetUpload.id == due).values(lease_expires_at=until)
    return await session.scalar(taken.returning(AssetUpload))


async def change_held(session: AsyncSession, upload_id: UUID, until: datetime | None, **values: Any) -> bool:
    """Change an upload that is still claimed until exactly this time; return whether it was."""
    query = update(AssetUpload).where(AssetUpload.id == upload_id, AssetUpload.lease_expires_at == until, _needs_us())
    result = await session.execute(query.values(**values).returning(AssetUpload.id))
    return result.first() is not None


async def abandoned(session: AsyncSession, before: datetime) -> list[AssetUpload]:
    """Return uploads that nobody has touched since."""
    query = select(AssetUpload).where(AssetUpload.state == UploadState.RECEIVING, AssetUpload.touched_at < before)
    return list(await session.scalars(query.limit(100)))


def _needs_us() -> ColumnElement[bool]:
    is_import = and_(AssetUpload.state == UploadState.RECEIVING, AssetUpload.import_url.is_not(None))
    return or_(AssetUpload.state == UploadState.VERIFYING, is_import)
