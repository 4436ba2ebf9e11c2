"""Tenants, their users, sessions and API keys."""

from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from comfyfleet.core.roles import Role
from comfyfleet.server.models.base import Base, CreatedAt, Instant, MaybeInstant, UuidId

ROLE_KNOWN: Final = "role IN ('user', 'viewer', 'operator')"


class Tenant(Base):
    """A customer; owns users, keys, credits, uploads and jobs, of which `max_open_jobs` may be open at a time."""

    __tablename__ = "tenants"
    __table_args__ = (CheckConstraint("max_open_jobs >= 0", name="max_open_jobs_not_negative"),)

    id: Mapped[UuidId]
    slug: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str]
    max_open_jobs: Mapped[int | None]
    created_at: Mapped[CreatedAt]


class User(Base):
    """A person of a tenant."""

    __tablename__ = "users"
    __table_args__ = (CheckConstraint(ROLE_KNOWN, name="role_known"),)

    id: Mapped[UuidId]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"), index=True)
    email: Mapped[str] = mapped_column(String(320), unique=True)
    password_hash: Mapped[str]
    role: Mapped[str] = mapped_column(String(16), default=Role.USER)
    must_change_password: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[CreatedAt]


class UserSession(Base):
    """A sign-in from a browser; only the token's hash is kept."""

    __tablename__ = "user_sessions"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[Instant]


class ApiKey(Base):
    """A key for programs; only its hash is kept. `hint` is the part that may be shown."""

    __tablename__ = "api_keys"
    __table_args__ = (
        Index("ix_api_keys_tenant_id_created_at", "tenant_id", "created_at"),
        CheckConstraint(ROLE_KNOWN, name="role_known"),
    )

    id: Mapped[UuidId]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    name: Mapped[str]
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    hint: Mapped[str]
    role: Mapped[str] = mapped_column(String(16), default=Role.USER)
    created_at: Mapped[CreatedAt]
    last_used_at: Mapped[MaybeInstant]
    revoked_at: Mapped[MaybeInstant]
