"""Bundles, what they consist of, and which one a fleet pointed to when."""

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from comfyfleet.server.models.base import Base, BigId, CreatedAt, Instant, UuidId


class Bundle(Base):
    """A bundle whose manifest has been written. Never changed; the next version is another bundle."""

    __tablename__ = "bundles"
    __table_args__ = (UniqueConstraint("name", "version"),)

    id: Mapped[UuidId]
    name: Mapped[str]
    version: Mapped[int]
    notes: Mapped[str | None]
    manifest_sha256: Mapped[str] = mapped_column(String(64))
    total_bytes: Mapped[int] = mapped_column(BigInteger)
    requirements_lock: Mapped[str | None]
    previous_id: Mapped[UUID | None] = mapped_column(ForeignKey("bundles.id", ondelete="SET NULL"))
    created_by: Mapped[str]
    created_at: Mapped[CreatedAt]

    entries: Mapped[list["BundleEntry"]] = relationship(
        lazy="selectin", order_by="BundleEntry.position", cascade="all, delete-orphan", passive_deletes=True
    )


class BundleEntry(Base):
    """An asset of a bundle, as the manifest has it."""

    __tablename__ = "bundle_entries"

    bundle_id: Mapped[UUID] = mapped_column(ForeignKey("bundles.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    asset_id: Mapped[int] = mapped_column(ForeignKey("assets.id", ondelete="RESTRICT"), index=True)
    kind: Mapped[str] = mapped_column(String(32))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    asset_s3_key: Mapped[str]
    original_filename: Mapped[str]
    target_path: Mapped[str]
    action: Mapped[str] = mapped_column(String(32))


class FleetActivation(Base):
    """A fleet was pointed to a bundle, or to none."""

    __tablename__ = "fleet_activations"
    __table_args__ = (Index("ix_fleet_activations_fleet_id_id", "fleet_id", "id"),)

    id: Mapped[BigId]
    fleet_id: Mapped[int] = mapped_column(ForeignKey("comfyui_gpu_fleets.id", ondelete="CASCADE"))
    bundle_id: Mapped[UUID | None] = mapped_column(ForeignKey("bundles.id", ondelete="SET NULL"), index=True)
    bundle_name: Mapped[str | None]
    at: Mapped[Instant]
    actor: Mapped[str]
    accepted_missing: Mapped[list[Any]]
