"""Uploads, jobs and their timelines."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from comfyfleet.server.models.base import Base, BigId, CreatedAt, Instant, MaybeInstant, UuidId
from comfyfleet.server.models.workflows import Effect

WORDS_OF_JOB: Final = text(
    "to_tsvector('simple'::regconfig, "
    "(COALESCE(error_message, ''::character varying)::text || ' '::text) || words::text)"
)
"""The words that a search finds a job by."""


class Upload(Base):
    """A file that a tenant uploads; `stored_at` once we have seen its bytes in storage.

    `store_upload_id` and `part_size` are set for one that comes in parts.
    """

    __tablename__ = "uploads"

    id: Mapped[UuidId]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"), index=True)
    filename: Mapped[str]
    content_type: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    object_key: Mapped[str]
    store_upload_id: Mapped[str | None]
    part_size: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[CreatedAt]
    stored_at: Mapped[MaybeInstant]


class Job(Base):
    """A run of an effect. `values` and the output format are copies, so that a later change leaves the job alone.

    `words` are the texts among the values and the names of the files, to search in.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        UniqueConstraint("tenant_id", "idempotency_key"),
        CheckConstraint("status IN ('queued', 'processing', 'completed', 'failed', 'canceled')", name="status_known"),
        CheckConstraint("(status = 'processing') = (lease_token_hash IS NOT NULL)", name="lease_while_processing"),
        CheckConstraint("attempt >= 0 AND attempt <= max_attempts", name="attempt_in_bounds"),
        Index("ix_jobs_queue", "fleet_id", text("priority DESC"), "id", postgresql_where=text("status = 'queued'")),
        Index("ix_jobs_leases", "lease_expires_at", postgresql_where=text("status = 'processing'")),
        Index("ix_jobs_worker_id", "worker_id", postgresql_where=text("status = 'processing'")),
        Index("ix_jobs_worker_id_id", "worker_id", "id", postgresql_where=text("worker_id IS NOT NULL")),
        Index("ix_jobs_fleet_id_id", "fleet_id", "id"),
        Index("ix_jobs_fleet_id_finished_at", "fleet_id", "finished_at"),
        Index("ix_jobs_ended_badly", "status", "id", postgresql_where=text("status IN ('failed', 'canceled')")),
        Index("ix_jobs_effect_id_id", "effect_id", "id"),
        Index("ix_jobs_retry_of", "retry_of", postgresql_where=text("retry_of IS NOT NULL")),
        Index("ix_jobs_words", WORDS_OF_JOB, postgresql_using="gin"),
        Index("ix_jobs_tenant_id_id", "tenant_id", "id"),
    )

    id: Mapped[BigId]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    effect_id: Mapped[int] = mapped_column(ForeignKey("effects.id"))
    fleet_id: Mapped[int] = mapped_column(ForeignKey("comfyui_gpu_fleets.id"))
    status: Mapped[str] = mapped_column(String(16))
    retry_of: Mapped[int | None] = mapped_column(ForeignKey("jobs.id"))
    idempotency_key: Mapped[str | None] = mapped_column(String(200))
    request_hash: Mapped[str] = mapped_column(String(64))
    priority: Mapped[int]
    values: Mapped[dict[str, Any]]
    words: Mapped[str] = mapped_column(default="")
    graph: Mapped[dict[str, Any]]
    files: Mapped[list[Any]]
    output_node_id: Mapped[str]
    output_extension: Mapped[str]
    output_mime_type: Mapped[str]
    credits_cost: Mapped[int]

    attempt: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int]
    worker_id: Mapped[int | None] = mapped_column(ForeignKey("workers.id"))
    lease_token_hash: Mapped[str | None] = mapped_column(String(64))
    lease_expires_at: Mapped[MaybeInstant]
    progress: Mapped[float] = mapped_column(default=0.0)
    progress_node: Mapped[str | None]
    is_cancel_requested: Mapped[bool] = mapped_column(default=False)

    error_message: Mapped[str | None]
    error_code: Mapped[str | None]
    error_node_id: Mapped[str | None]
    error_node_type: Mapped[str | None]
    error_input_name: Mapped[str | None]
    provider_job_id: Mapped[str | None]
    output_key: Mapped[str | None]
    output_size: Mapped[int | None] = mapped_column(BigInteger)
    output_metadata: Mapped[dict[str, Any] | None]

    created_at: Mapped[CreatedAt]
    queued_at: Mapped[Instant]
    available_at: Mapped[Instant]
    leased_at: Mapped[MaybeInstant]
    started_at: Mapped[MaybeInstant]
    finished_at: Mapped[MaybeInstant]

    effect: Mapped[Effect] = relationship(lazy="raise")


class JobEventRow(Base):
    """One line of a job's timeline."""

    __tablename__ = "job_events"
    __table_args__ = (
        Index("ix_job_events_job_id_id", "job_id", "id"),
        Index("ix_job_events_counted", "at", postgresql_where=text("event IN ('lease_expired', 'requeued')")),
    )

    id: Mapped[BigId]
    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id"))
    at: Mapped[Instant]
    event: Mapped[str] = mapped_column(String(32))
    attempt: Mapped[int]
    detail: Mapped[str]
