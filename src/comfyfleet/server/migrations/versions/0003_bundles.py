"""Bundles, what they consist of, and the history of what fleets pointed to."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables, and let a fleet point to a bundle that exists only."""
    _create_bundles()
    op.create_table(
        "fleet_activations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("fleet_id", sa.BigInteger(), nullable=False),
        sa.Column("bundle_id", sa.Uuid(), nullable=True),
        sa.Column("bundle_name", sa.String(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("accepted_missing", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["fleet_id"],
            ["comfyui_gpu_fleets.id"],
            name=op.f("fk_fleet_activations_fleet_id_comfyui_gpu_fleets"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["bundle_id"], ["bundles.id"], name=op.f("fk_fleet_activations_bundle_id_bundles"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fleet_activations")),
    )
    op.create_index("ix_fleet_activations_fleet_id_id", "fleet_activations", ["fleet_id", "id"])
    op.create_index(op.f("ix_fleet_activations_bundle_id"), "fleet_activations", ["bundle_id"])
    op.create_index(op.f("ix_comfyui_gpu_fleets_active_bundle_id"), "comfyui_gpu_fleets", ["active_bundle_id"])
    op.create_foreign_key(
        op.f("fk_comfyui_gpu_fleets_active_bundle_id_bundles"),
        "comfyui_gpu_fleets",
        "bundles",
        ["active_bundle_id"],
        ["id"],
        ondelete="RESTRICT",
    )


def downgrade() -> None:
    """Go back."""
    op.drop_constraint(op.f("fk_comfyui_gpu_fleets_active_bundle_id_bundles"), "comfyui_gpu_fleets")
    op.drop_index(op.f("ix_comfyui_gpu_fleets_active_bundle_id"), table_name="comfyui_gpu_fleets")
    op.drop_table("fleet_activations")
    op.drop_table("bundle_entries")
    op.drop_table("bundles")


def _create_bundles() -> None:
    op.create_table(
        "bundles",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("notes", sa.String(), nullable=True),
        sa.Column("manifest_sha256", sa.String(length=64), nullable=False),
        sa.Column("total_bytes", sa.BigInteger(), nullable=False),
        sa.Column("requirements_lock", sa.String(), nullable=True),
        sa.Column("previous_id", sa.Uuid(), nullable=True),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["previous_id"], ["bundles.id"], name=op.f("fk_bundles_previous_id_bundles"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bundles")),
        sa.UniqueConstraint("name", "version", name=op.f("uq_bundles_name_version")),
    )
    op.create_table(
        "bundle_entries",
        sa.Column("bundle_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("asset_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("asset_s3_key", sa.String(), nullable=False),
        sa.Column("original_filename", sa.String(), nullable=False),
        sa.Column("target_path", sa.String(), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["bundle_id"], ["bundles.id"], name=op.f("fk_bundle_entries_bundle_id_bundles"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["assets.id"], name=op.f("fk_bundle_entries_asset_id_assets"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("bundle_id", "position", name=op.f("pk_bundle_entries")),
    )
    op.create_index(op.f("ix_bundle_entries_asset_id"), "bundle_entries", ["asset_id"])
