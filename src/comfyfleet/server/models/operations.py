"""Verbs on machines that the control plane carries out, and what they say."""

from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from comfyfleet.server.models.base import Base, BigId, Instant, MaybeInstant
from comfyfleet.server.models.fleets import Fleet


class Operation(Base):
    """One verb, from its plan to its end. `token` is the plan's: the same one again is the same operation.

    While it runs nothing else does that has the same `lock`. `seen_at` is when its process last told that it lives.
    """

    __tablename__ = "operations"
    __table_args__ = (
        CheckConstraint("status IN ('running', 'succeeded', 'failed', 'canceled', 'interrupted')", name="status_known"),
        Index("ix_operations_fleet_id_id", "fleet_id", "id"),
        Index("ix_operations_running_lock", "lock", unique=True, postgresql_where=text("status = 'running'")),
    )

    id: Mapped[BigId]
    token: Mapped[UUID] = mapped_column(unique=True)
    kind: Mapped[str] = mapped_column(String(32))
    fleet_id: Mapped[int] = mapped_column(ForeignKey("comfyui_gpu_fleets.id", ondelete="CASCADE"))
    lock: Mapped[str] = mapped_column(String(200))
    title: Mapped[str]
    steps: Mapped[list[Any]]
    warnings: Mapped[list[Any]]
    status: Mapped[str] = mapped_column(String(16))
    outcome: Mapped[str | None]
    result: Mapped[dict[str, Any]] = mapped_column(default=dict)
    actor: Mapped[str] = mapped_column(String(400))
    started_at: Mapped[Instant]
    seen_at: Mapped[Instant]
    ended_at: Mapped[MaybeInstant]
    cancel_requested_by: Mapped[str | None] = mapped_column(String(400))

    fleet: Mapped[Fleet] = relationship(lazy="joined", innerjoin=True)


class OperationLine(Base):
    """A piece of an operation's log: a step, or what a machine printed, which has any number of lines."""

    __tablename__ = "operation_lines"
    __table_args__ = (Index("ix_operation_lines_operation_id_id", "operation_id", "id"),)

    id: Mapped[BigId]
    operation_id: Mapped[int] = mapped_column(ForeignKey("operations.id", ondelete="CASCADE"))
    at: Mapped[Instant]
    kind: Mapped[str] = mapped_column(String(16))
    text: Mapped[str]
