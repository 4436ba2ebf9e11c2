"""Fleets, the workflows that they serve, and their workers."""

from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from comfyfleet.server.models.base import Base, BigId, CreatedAt, Instant, MaybeInstant


class Fleet(Base):
    """Machines that share an Auto Scaling group. Operators read this table by its name and columns.

    `pointer_value` is what was last written to the parameter that machines read, and `pointer_error` why the last try
    to write it failed.
    """

    __tablename__ = "comfyui_gpu_fleets"
    __table_args__ = (UniqueConstraint("stage", "slug"),)

    id: Mapped[BigId]
    slug: Mapped[str] = mapped_column(String(64))
    stage: Mapped[str] = mapped_column(String(64))
    name: Mapped[str]
    active_bundle_id: Mapped[UUID | None] = mapped_column(ForeignKey("bundles.id", ondelete="RESTRICT"), index=True)
    active_bundle_s3_prefix: Mapped[str | None]
    pointer_value: Mapped[str | None]
    pointer_written_at: Mapped[MaybeInstant]
    pointer_error: Mapped[str | None]
    created_at: Mapped[CreatedAt]


class FleetWorkflow(Base):
    """A fleet serves a workflow."""

    __tablename__ = "fleet_workflows"

    fleet_id: Mapped[int] = mapped_column(ForeignKey("comfyui_gpu_fleets.id", ondelete="CASCADE"), primary_key=True)
    workflow_id: Mapped[int] = mapped_column(ForeignKey("workflows.id"), primary_key=True, index=True)


class Worker(Base):
    """An agent on a machine. Its token lives until it registers again, is deregistered or revoked.

    A revoked one cannot register until an operator restores it. `figures` is what it last said of its GPUs.
    """

    __tablename__ = "workers"
    __table_args__ = (
        CheckConstraint("status IN ('active', 'draining', 'lost', 'deregistered', 'revoked')", name="status_known"),
        Index("ix_workers_last_seen_at_id", "last_seen_at", "id"),
        CheckConstraint("registration_source IN ('fleet', 'dev_node', 'local')", name="registration_source_known"),
    )

    id: Mapped[BigId]
    worker_id: Mapped[str] = mapped_column(String(128), unique=True)
    fleet_id: Mapped[int] = mapped_column(ForeignKey("comfyui_gpu_fleets.id"), index=True)
    token_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    status: Mapped[str] = mapped_column(String(16))
    registration_source: Mapped[str] = mapped_column(String(16))
    display_name: Mapped[str | None]
    capabilities: Mapped[dict[str, Any]]
    max_concurrency: Mapped[int]
    capacity_type: Mapped[str | None]
    instance_type: Mapped[str | None]
    registered_at: Mapped[Instant]
    last_seen_at: Mapped[Instant]
    deregistered_at: Mapped[MaybeInstant]
    bundle_id: Mapped[str | None] = mapped_column(String(64))
    figures: Mapped[dict[str, Any]] = mapped_column(default=dict)
    figures_at: Mapped[MaybeInstant]


class WorkerRefusal(Base):
    """The last worker of a fleet that was not let in: which one it said to be, why, and what to do."""

    __tablename__ = "worker_refusals"

    fleet_id: Mapped[int] = mapped_column(ForeignKey("comfyui_gpu_fleets.id", ondelete="CASCADE"), primary_key=True)
    worker_id: Mapped[str] = mapped_column(String(128))
    reason: Mapped[str]
    advice: Mapped[str]
    at: Mapped[Instant]


class WorkerLogLine(Base):
    """A line of a worker's log; only the last of each worker are kept."""

    __tablename__ = "worker_log_lines"
    __table_args__ = (Index("ix_worker_log_lines_worker_id_id", "worker_id", "id"),)

    id: Mapped[BigId]
    worker_id: Mapped[int] = mapped_column(ForeignKey("workers.id", ondelete="CASCADE"))
    at: Mapped[Instant]
    level: Mapped[str] = mapped_column(String(16))
    text: Mapped[str]


class FleetSample(Base):
    """How a fleet stood at a moment.

    `capacity` is how many jobs its workers can hold, `oldest_seconds` how long the first queued job has waited, and
    `desired` how many machines it was told to have, where something tells it. `published_at` is when it was told as
    figures.
    """

    __tablename__ = "fleet_samples"

    fleet_id: Mapped[int] = mapped_column(ForeignKey("comfyui_gpu_fleets.id", ondelete="CASCADE"), primary_key=True)
    at: Mapped[Instant] = mapped_column(primary_key=True)
    queued: Mapped[int]
    processing: Mapped[int]
    oldest_seconds: Mapped[float]
    workers: Mapped[int]
    capacity: Mapped[int]
    desired: Mapped[int | None]
    published_at: Mapped[MaybeInstant]
