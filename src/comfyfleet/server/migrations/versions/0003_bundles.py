"""Bundles, their entries, and which fleet pointed to which of them when."""

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_REFUSE_ENTRY_CHANGE: Final = """
CREATE FUNCTION refuse_bundle_entry_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a bundle is immutable: make its next version';
END
$$
"""
_ENTRY_TRIGGER: Final = """
CREATE TRIGGER bundle_entries_immutable BEFORE UPDATE ON bundle_entries
FOR EACH ROW EXECUTE FUNCTION refuse_bundle_entry_change()
"""
_REFUSE_BUNDLE_CHANGE: Final = """
CREATE FUNCTION refuse_bundle_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    OLD.previous_id := NULL;
    IF NEW IS DISTINCT FROM OLD THEN
        RAISE EXCEPTION 'a bundle is immutable: make its next version';
    END IF;
    RETURN NEW;
END
$$
"""
_BUNDLE_TRIGGER: Final = """
CREATE TRIGGER bundles_immutable BEFORE UPDATE ON bundles
FOR EACH ROW EXECUTE FUNCTION refuse_bundle_change()
"""


def upgrade() -> None:
    """Expand first; contract only in a later release than the code that no longer needs the old."""
    op.create_table(
        "bundles",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("notes", sa.String(), nullable=True),
        sa.Column("requirements_lock", sa.String(), nullable=True),
        sa.Column("manifest_sha256", sa.String(length=64), nullable=False),
        sa.Column("manifest_size", sa.Integer(), nullable=False),
        sa.Column("total_bytes", sa.BigInteger(), nullable=False),
        sa.Column("entry_count", sa.Integer(), nullable=False),
        sa.Column("previous_id", sa.Uuid(), nullable=True),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["previous_id"], ["bundles.id"], name=op.f("fk_bundles_previous_id_bundles"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bundles")),
        sa.UniqueConstraint("name", "version", name=op.f("uq_bundles_name_version")),
    )
    op.create_index("ix_bundles_created_at_id", "bundles", ["created_at", "id"], unique=False)
    op.create_index(op.f("ix_bundles_previous_id"), "bundles", ["previous_id"], unique=False)
    op.create_table(
        "bundle_entries",
        sa.Column("bundle_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("asset_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("asset_s3_key", sa.String(), nullable=False),
        sa.Column("original_filename", sa.String(), nullable=False),
        sa.Column("target_path", sa.String(), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.CheckConstraint(
            "action IN ('copy', 'extract_zip', 'extract_tar_gz')", name=op.f("ck_bundle_entries_action_known")
        ),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["assets.id"], name=op.f("fk_bundle_entries_asset_id_assets"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["bundle_id"], ["bundles.id"], name=op.f("fk_bundle_entries_bundle_id_bundles"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("bundle_id", "position", name=op.f("pk_bundle_entries")),
        sa.UniqueConstraint("bundle_id", "target_path", name=op.f("uq_bundle_entries_bundle_id_target_path")),
    )
    op.create_index(op.f("ix_bundle_entries_asset_id"), "bundle_entries", ["asset_id"], unique=False)
    op.create_table(
        "fleet_activations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("fleet_id", sa.BigInteger(), nullable=False),
        sa.Column("bundle_id", sa.Uuid(), nullable=True),
        sa.Column("bundle", sa.String(), nullable=True),
        sa.Column("accepted_missing", postgresql.JSON(astext_type=sa.Text()), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["fleet_id"],
            ["comfyui_gpu_fleets.id"],
            name=op.f("fk_fleet_activations_fleet_id_comfyui_gpu_fleets"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fleet_activations")),
    )
    op.create_index(op.f("ix_fleet_activations_bundle_id"), "fleet_activations", ["bundle_id"], unique=False)
    op.create_index("ix_fleet_activations_fleet_id_id", "fleet_activations", ["fleet_id", "id"], unique=False)
    op.create_index(
        op.f("ix_comfyui_gpu_fleets_active_bundle_id"), "comfyui_gpu_fleets", ["active_bundle_id"], unique=False
    )
    op.create_foreign_key(
        op.f("fk_comfyui_gpu_fleets_active_bundle_id_bundles"),
        "comfyui_gpu_fleets",
        "bundles",
        ["active_bundle_id"],
        ["id"],
        ondelete="RESTRICT",
    )
    for statement in (_REFUSE_ENTRY_CHANGE, _ENTRY_TRIGGER, _REFUSE_BUNDLE_CHANGE, _BUNDLE_TRIGGER):
        op.execute(statement)


def downgrade() -> None:
    """Go back."""
    op.drop_constraint(op.f("fk_comfyui_gpu_fleets_active_bundle_id_bundles"), "comfyui_gpu_fleets", type_="foreignkey")
    op.drop_index(op.f("ix_comfyui_gpu_fleets_active_bundle_id"), table_name="comfyui_gpu_fleets")
    op.execute("UPDATE comfyui_gpu_fleets SET active_bundle_id = NULL, active_bundle_s3_prefix = NULL")
    op.drop_table("fleet_activations")
    op.drop_table("bundle_entries")
    op.drop_table("bundles")
    op.execute("DROP FUNCTION refuse_bundle_entry_change()")
    op.execute("DROP FUNCTION refuse_bundle_change()")
