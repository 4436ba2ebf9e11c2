"""The last worker of each fleet that was not let in."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table with at most one line a fleet."""
    op.create_table(
        "worker_refusals",
        sa.Column("fleet_id", sa.BigInteger(), nullable=False),
        sa.Column("worker_id", sa.String(128), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("advice", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["fleet_id"],
            ["comfyui_gpu_fleets.id"],
            name="fk_worker_refusals_fleet_id_comfyui_gpu_fleets",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("fleet_id", name="pk_worker_refusals"),
    )


def downgrade() -> None:
    """Undo it."""
    op.drop_table("worker_refusals")
