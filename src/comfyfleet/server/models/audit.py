"""What administrators did."""

from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from comfyfleet.server.models.base import Base, BigId, Instant


class AuditEntry(Base):
    """One act; never changed or deleted (a trigger refuses it)."""

    __tablename__ = "audit_entries"
    __table_args__ = (Index("ix_audit_entries_subject_id", "subject", "id"),)

    id: Mapped[BigId]
    at: Mapped[Instant]
    actor: Mapped[str] = mapped_column(String(400))
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    action: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(400))
    detail: Mapped[dict[str, Any]]
