"""Workflows and the effects on them."""

from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from comfyfleet.server.models.base import Base, BigId, CreatedAt, Instant


class Workflow(Base):
    """A workflow. `graph` is what lies at `comfyui_workflow_path`, kept here so that a submission reads one store."""

    __tablename__ = "workflows"

    id: Mapped[BigId]
    slug: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str]
    description: Mapped[str]
    is_active: Mapped[bool]
    comfyui_workflow_path: Mapped[str]
    graph: Mapped[dict[str, Any]]
    output_node_id: Mapped[str]
    output_extension: Mapped[str]
    output_mime_type: Mapped[str]
    properties: Mapped[list[Any]]
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[Instant]


class WorkflowVersion(Base):
    """What a workflow was from a moment on; the newest equals the workflow. Never changed."""

    __tablename__ = "workflow_versions"
    __table_args__ = (UniqueConstraint("workflow_id", "version"),)

    id: Mapped[BigId]
    workflow_id: Mapped[int] = mapped_column(ForeignKey("workflows.id", ondelete="CASCADE"))
    version: Mapped[int]
    comfyui_workflow_path: Mapped[str]
    graph: Mapped[dict[str, Any]]
    output_node_id: Mapped[str]
    output_extension: Mapped[str]
    output_mime_type: Mapped[str]
    properties: Mapped[list[Any]]
    created_by: Mapped[str]
    created_at: Mapped[CreatedAt]


class Effect(Base):
    """A product on a workflow. `is_test` marks the one behind a workflow's test runs, which no list shows."""

    __tablename__ = "effects"
    __table_args__ = (CheckConstraint("credits_cost >= 0", name="credits_cost_not_negative"),)

    id: Mapped[BigId]
    slug: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str]
    description: Mapped[str]
    workflow_id: Mapped[int] = mapped_column(ForeignKey("workflows.id"), index=True)
    property_overrides: Mapped[dict[str, Any]]
    credits_cost: Mapped[int]
    is_active: Mapped[bool]
    preview_url: Mapped[str | None]
    preview_key: Mapped[str | None]
    preview_type: Mapped[str | None]
    position: Mapped[int] = mapped_column(default=0)
    is_test: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[CreatedAt]

    workflow: Mapped[Workflow] = relationship(lazy="joined", innerjoin=True)
