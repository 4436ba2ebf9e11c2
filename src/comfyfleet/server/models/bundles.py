"""Bundles, what is in them, and which fleet pointed to which of them when."""

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from comfyfleet.server.models.base import Base, BigId, Instant


class BundleEntry(Base):
    """One asset of a bundle; written with it and never changed (a trigger refuses it)."""

    __tablename__ = "bundle_entries"
    __table_args__ = (
        UniqueConstraint("bundle_id", "target_path"),
        CheckConstraint("action IN ('copy', 'extract_zip', 'extract_tar_gz')", name="action_known"),
    )

    bundle_id: Mapped[UUID] = mapped_column(ForeignKey("bundles.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    asset_id: Mapped[int] = mapped_column(ForeignKey("assets.id", ondelete="RESTRICT"), index=True)
    kind: Mapped[str] = mapped_column(String(32))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    asset_s3_key: Mapped[str]
    original_filename: Mapped[str]
    target_path: Mapped[str]
    action: Mapped[str] = mapped_column(String(16))


class Bundle(Base):
    """A bundle, whose manifest lies in the models bucket. Only `previous_id` may change, to null (a trigger).

    `total_bytes` counts each digest once.
    """

    __tablename__ = "bundles"
    __table_args__ = (UniqueConstraint("name", "version"), Index("ix_bundles_created_at_id", "created_at", "id"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    version: Mapped[int]
    notes: Mapped[str | None]
    requirements_lock: Mapped[str | None]
    manifest_sha256: Mapped[str] = mapped_column(String(64))
    manifest_size: Mapped[int]
    total_bytes: Mapped[int] = mapped_column(BigInteger)
    entry_count: Mapped[int]
    previous_id: Mapped[UUID | None] = mapped_column(ForeignKey("bundles.id", ondelete="SET NULL"), index=True)
    created_by: Mapped[str]
    created_at: Mapped[Instant]

    entries: Mapped[list[BundleEntry]] = relationship(
        order_by=BundleEntry.position, lazy="raise", passive_deletes=True, cascade="all, delete"
    )


class FleetActivation(Base):
    """A fleet was pointed to a bundle, or to none. The bundle may be gone since, so its name is kept."""

    __tablename__ = "fleet_activations"
    __table_args__ = (Index("ix_fleet_activations_fleet_id_id", "fleet_id", "id"),)

    id: Mapped[BigId]
    fleet_id: Mapped[int] = mapped_column(ForeignKey("comfyui_gpu_fleets.id", ondelete="CASCADE"))
    bundle_id: Mapped[UUID | None] = mapped_column(index=True)
    bundle: Mapped[str | None]
    accepted_missing: Mapped[list[Any]]
    by: Mapped[str]
    at: Mapped[Instant]
