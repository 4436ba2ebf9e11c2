"""Roles, limits, versions of workflows, what workers say of themselves, and how fleets stood over time."""

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_STATUSES: Final = "status IN ('active', 'draining', 'lost', 'deregistered', 'revoked')"
_OLD_STATUSES: Final = "status IN ('active', 'draining', 'lost', 'deregistered')"
_WORDS: Final = "to_tsvector('simple', coalesce(error_message, '') || ' ' || words)"
_FIRST_VERSIONS: Final = """
INSERT INTO workflow_versions (workflow_id, version, comfyui_workflow_path, graph, output_node_id, output_extension,
                               output_mime_type, properties, created_by, created_at)
SELECT id, 1, comfyui_workflow_path, graph, output_node_id, output_extension, output_mime_type, properties,
       'an earlier release', updated_at
FROM workflows
"""


def upgrade() -> None:
    """Expand first; `is_admin` goes at once, since no release that reads it can run beside this one."""
    for table in ("users", "api_keys"):
        op.add_column(table, sa.Column("role", sa.String(length=16), nullable=False, server_default="user"))
        op.execute(f"UPDATE {table} SET role = 'operator' WHERE is_admin")  # noqa: S608 - a name from above
        op.alter_column(table, "role", server_default=None)
        op.drop_column(table, "is_admin")
        op.create_check_constraint(op.f(f"ck_{table}_role_known"), table, "role IN ('user', 'viewer', 'operator')")
    op.add_column("tenants", sa.Column("max_open_jobs", sa.Integer()))
    op.create_check_constraint(op.f("ck_tenants_max_open_jobs_not_negative"), "tenants", "max_open_jobs >= 0")
    _upgrade_workflows()
    _upgrade_workers()
    _upgrade_jobs()
    op.create_table(
        "fleet_samples",
        sa.Column("fleet_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("queued", sa.Integer(), nullable=False),
        sa.Column("processing", sa.Integer(), nullable=False),
        sa.Column("oldest_seconds", sa.Float(), nullable=False),
        sa.Column("workers", sa.Integer(), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("desired", sa.Integer()),
        sa.ForeignKeyConstraint(
            ["fleet_id"],
            ["comfyui_gpu_fleets.id"],
            name=op.f("fk_fleet_samples_fleet_id_comfyui_gpu_fleets"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("fleet_id", "at", name=op.f("pk_fleet_samples")),
    )


def _upgrade_workflows() -> None:
    op.add_column("workflows", sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
    op.alter_column("workflows", "version", server_default=None)
    op.create_table(
        "workflow_versions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("comfyui_workflow_path", sa.String(), nullable=False),
        sa.Column("graph", postgresql.JSON(), nullable=False),
        sa.Column("output_node_id", sa.String(), nullable=False),
        sa.Column("output_extension", sa.String(), nullable=False),
        sa.Column("output_mime_type", sa.String(), nullable=False),
        sa.Column("properties", postgresql.JSON(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workflow_id"],
            ["workflows.id"],
            name=op.f("fk_workflow_versions_workflow_id_workflows"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workflow_versions")),
        sa.UniqueConstraint("workflow_id", "version", name=op.f("uq_workflow_versions_workflow_id_version")),
    )
    op.execute(_FIRST_VERSIONS)
    op.add_column("effects", sa.Column("preview_key", sa.String()))
    op.add_column("effects", sa.Column("preview_type", sa.String()))
    op.add_column("effects", sa.Column("position", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("effects", sa.Column("is_test", sa.Boolean(), nullable=False, server_default="false"))
    op.alter_column("effects", "position", server_default=None)
    op.alter_column("effects", "is_test", server_default=None)


def _upgrade_workers() -> None:
    op.drop_constraint(op.f("ck_workers_status_known"), "workers")
    op.create_check_constraint(op.f("ck_workers_status_known"), "workers", _STATUSES)
    op.add_column("workers", sa.Column("bundle_id", sa.String(length=64)))
    op.add_column("workers", sa.Column("figures", postgresql.JSON(), nullable=False, server_default="{}"))
    op.alter_column("workers", "figures", server_default=None)
    op.add_column("workers", sa.Column("figures_at", sa.DateTime(timezone=True)))
    op.create_index("ix_workers_last_seen_at_id", "workers", ["last_seen_at", "id"])
    op.create_table(
        "worker_log_lines",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("worker_id", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("level", sa.String(length=16), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["worker_id"], ["workers.id"], name=op.f("fk_worker_log_lines_worker_id_workers"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker_log_lines")),
    )
    op.create_index("ix_worker_log_lines_worker_id_id", "worker_log_lines", ["worker_id", "id"])


def _upgrade_jobs() -> None:
    op.add_column("uploads", sa.Column("store_upload_id", sa.String()))
    op.add_column("uploads", sa.Column("part_size", sa.BigInteger()))
    op.add_column("jobs", sa.Column("retry_of", sa.BigInteger()))
    op.create_foreign_key(op.f("fk_jobs_retry_of_jobs"), "jobs", "jobs", ["retry_of"], ["id"])
    op.create_index("ix_jobs_retry_of", "jobs", ["retry_of"], postgresql_where=sa.text("retry_of IS NOT NULL"))
    op.add_column("jobs", sa.Column("words", sa.String(), nullable=False, server_default=""))
    op.alter_column("jobs", "words", server_default=None)
    op.create_index(
        "ix_jobs_worker_id_id", "jobs", ["worker_id", "id"], postgresql_where=sa.text("worker_id IS NOT NULL")
    )
    op.create_index("ix_jobs_fleet_id_id", "jobs", ["fleet_id", "id"])
    op.create_index("ix_jobs_fleet_id_finished_at", "jobs", ["fleet_id", "finished_at"])
    op.create_index(
        "ix_jobs_ended_badly",
        "jobs",
        ["status", "id"],
        postgresql_where=sa.text("status IN ('failed', 'canceled')"),
    )
    op.drop_index(op.f("ix_jobs_effect_id"), table_name="jobs")
    op.create_index("ix_jobs_effect_id_id", "jobs", ["effect_id", "id"])
    op.create_index("ix_jobs_words", "jobs", [sa.text(_WORDS)], postgresql_using="gin")


def downgrade() -> None:
    """Take the tables and columns away again."""
    for index in ("words", "effect_id_id", "ended_badly", "fleet_id_finished_at", "fleet_id_id", "worker_id_id"):
        op.drop_index(f"ix_jobs_{index}", table_name="jobs")
    op.create_index(op.f("ix_jobs_effect_id"), "jobs", ["effect_id"])
    op.drop_index("ix_jobs_retry_of", table_name="jobs")
    op.drop_column("jobs", "words")
    op.drop_column("jobs", "retry_of")
    op.drop_column("uploads", "part_size")
    op.drop_column("uploads", "store_upload_id")
    op.drop_table("worker_log_lines")
    op.drop_index("ix_workers_last_seen_at_id", table_name="workers")
    for column in ("figures_at", "figures", "bundle_id"):
        op.drop_column("workers", column)
    op.execute("UPDATE workers SET status = 'deregistered' WHERE status = 'revoked'")
    op.drop_constraint(op.f("ck_workers_status_known"), "workers")
    op.create_check_constraint(op.f("ck_workers_status_known"), "workers", _OLD_STATUSES)
    for column in ("is_test", "position", "preview_type", "preview_key"):
        op.drop_column("effects", column)
    op.drop_table("workflow_versions")
    op.drop_column("workflows", "version")
    op.drop_table("fleet_samples")
    op.drop_column("tenants", "max_open_jobs")
    for table in ("users", "api_keys"):
        op.add_column(table, sa.Column("is_admin", sa.Boolean(), nullable=False, server_default="false"))
        op.execute(f"UPDATE {table} SET is_admin = true WHERE role = 'operator'")  # noqa: S608 - a name from above
        op.alter_column(table, "is_admin", server_default=None)
        op.drop_column(table, "role")
