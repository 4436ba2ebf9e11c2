"""What was written to the cloud: fleets' pointers, and the samples that were told as figures."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns that may be empty, and an index that finds what is counted."""
    op.add_column("comfyui_gpu_fleets", sa.Column("pointer_value", sa.String()))
    op.add_column("comfyui_gpu_fleets", sa.Column("pointer_written_at", sa.DateTime(timezone=True)))
    op.add_column("comfyui_gpu_fleets", sa.Column("pointer_error", sa.String()))
    op.add_column("fleet_samples", sa.Column("published_at", sa.DateTime(timezone=True)))
    op.create_index(
        "ix_job_events_counted", "job_events", ["at"], postgresql_where="event IN ('lease_expired', 'requeued')"
    )


def downgrade() -> None:
    """Undo all of it."""
    op.drop_index("ix_job_events_counted", table_name="job_events")
    op.drop_column("fleet_samples", "published_at")
    for column in ("pointer_error", "pointer_written_at", "pointer_value"):
        op.drop_column("comfyui_gpu_fleets", column)
