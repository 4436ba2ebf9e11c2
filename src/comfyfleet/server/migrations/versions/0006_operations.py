"""Verbs on machines that the control plane carries out, and their logs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two tables."""
    op.create_table(
        "operations",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("token", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("fleet_id", sa.BigInteger(), nullable=False),
        sa.Column("lock", sa.String(length=200), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("steps", postgresql.JSON(), nullable=False),
        sa.Column("warnings", postgresql.JSON(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("outcome", sa.String()),
        sa.Column("result", postgresql.JSON(), nullable=False),
        sa.Column("actor", sa.String(length=400), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("cancel_requested_by", sa.String(length=400)),
        sa.CheckConstraint(
            "status IN ('running', 'succeeded', 'failed', 'canceled', 'interrupted')",
            name=op.f("ck_operations_status_known"),
        ),
        sa.ForeignKeyConstraint(
            ["fleet_id"],
            ["comfyui_gpu_fleets.id"],
            name=op.f("fk_operations_fleet_id_comfyui_gpu_fleets"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operations")),
        sa.UniqueConstraint("token", name=op.f("uq_operations_token")),
    )
    op.create_index("ix_operations_fleet_id_id", "operations", ["fleet_id", "id"])
    op.create_index(
        "ix_operations_running_lock", "operations", ["lock"], unique=True, postgresql_where="status = 'running'"
    )
    op.create_table(
        "operation_lines",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("operation_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["operation_id"],
            ["operations.id"],
            name=op.f("fk_operation_lines_operation_id_operations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operation_lines")),
    )
    op.create_index("ix_operation_lines_operation_id_id", "operation_lines", ["operation_id", "id"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("operation_lines")
    op.drop_table("operations")
