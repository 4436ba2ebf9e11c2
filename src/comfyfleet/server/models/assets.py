"""The library: assets, the names they came under, and their uploads."""

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from comfyfleet.server.models.base import Base, BigId, CreatedAt, Instant, MaybeInstant, UuidId


class Asset(Base):
    """One file by content. Its bytes have been read and its digest was right before this row came to be."""

    __tablename__ = "assets"
    __table_args__ = (
        Index("ix_assets_size_head_sha256", "size", "head_sha256"),
        Index("ix_assets_kind_id", "kind", "id"),
    )

    id: Mapped[BigId]
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[str] = mapped_column(String(32))
    size: Mapped[int] = mapped_column(BigInteger)
    head_sha256: Mapped[str] = mapped_column(String(64))
    object_key: Mapped[str]
    notes: Mapped[str]
    license: Mapped[str]
    source_url: Mapped[str | None]
    inspection: Mapped[dict[str, Any]]
    is_quarantined: Mapped[bool]
    released_by: Mapped[str | None]
    created_by: Mapped[str]
    created_at: Mapped[CreatedAt]

    names: Mapped[list["AssetName"]] = relationship(
        lazy="selectin", order_by="AssetName.id", cascade="all, delete-orphan", passive_deletes=True
    )


class AssetName(Base):
    """A name under which an asset was handed in; the newest counts."""

    __tablename__ = "asset_names"
    __table_args__ = (UniqueConstraint("asset_id", "filename"),)

    id: Mapped[BigId]
    asset_id: Mapped[int] = mapped_column(ForeignKey("assets.id", ondelete="CASCADE"))
    filename: Mapped[str] = mapped_column(index=True)


class AssetUpload(Base):
    """Bytes on their way into the library.

    `lease_expires_at` is set while some control plane brings or verifies them; when it has passed, another goes on.
    """

    __tablename__ = "asset_uploads"
    __table_args__ = (
        CheckConstraint("state IN ('receiving', 'verifying', 'stored', 'refused')", name="state_known"),
        CheckConstraint("(state = 'stored') = (asset_sha256 IS NOT NULL)", name="asset_when_stored"),
        Index("ix_asset_uploads_resume", "tenant_id", "size", "head_sha256"),
        Index("ix_asset_uploads_open", "touched_at", postgresql_where=text("state IN ('receiving', 'verifying')")),
    )

    id: Mapped[UuidId]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    state: Mapped[str] = mapped_column(String(16))
    filename: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    part_size: Mapped[int] = mapped_column(BigInteger)
    head_sha256: Mapped[str] = mapped_column(String(64))
    expected_sha256: Mapped[str | None] = mapped_column(String(64))
    kind: Mapped[str | None] = mapped_column(String(32))
    notes: Mapped[str]
    license: Mapped[str]
    source_url: Mapped[str | None]
    import_url: Mapped[str | None]
    import_etag: Mapped[str | None]
    store_upload_id: Mapped[str]
    verified_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    problem: Mapped[str | None]
    asset_sha256: Mapped[str | None] = mapped_column(String(64))
    created_by: Mapped[str]
    created_at: Mapped[CreatedAt]
    touched_at: Mapped[Instant]
    lease_expires_at: Mapped[MaybeInstant]
