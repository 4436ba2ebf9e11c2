"""The credit ledger."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from comfyfleet.server.models.base import Base, BigId, CreatedAt


class CreditEntry(Base):
    """One entry; never changed or deleted (a trigger refuses it). The unique rules make each act happen once."""

    __tablename__ = "credit_entries"
    __table_args__ = (
        CheckConstraint("amount >= 0", name="amount_not_negative"),
        CheckConstraint("(kind = 'grant') = (job_id IS NULL)", name="grant_has_no_job"),
        CheckConstraint("kind IN ('grant', 'reserve', 'consume', 'refund')", name="kind_known"),
        UniqueConstraint("job_id", "kind"),
        Index(
            "uq_credit_entries_settled_once",
            "job_id",
            unique=True,
            postgresql_where=text("kind IN ('consume', 'refund')"),
        ),
        Index("ix_credit_entries_tenant_id_id", "tenant_id", "id"),
    )

    id: Mapped[BigId]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    kind: Mapped[str] = mapped_column(String(16))
    amount: Mapped[int]
    job_id: Mapped[int | None] = mapped_column(ForeignKey("jobs.id"))
    reason: Mapped[str] = mapped_column(default="")
    created_at: Mapped[CreatedAt]
