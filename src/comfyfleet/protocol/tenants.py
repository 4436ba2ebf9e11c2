"""Wire models of tenants and their people, for operators."""

from datetime import datetime

from pydantic import BaseModel, Field

from comfyfleet.core.roles import Role
from comfyfleet.protocol.api import Name, Strict, TenantView

MAX_OPEN_JOBS = 1_000_000


class TenantPage(BaseModel):
    """A page of tenants by name; `total` counts all that match."""

    items: list[TenantView]
    total: int


class TenantPatch(Strict):
    """What of a tenant shall be another; `max_open_jobs` is null for no limit, and 0 lets none in."""

    name: Name | None = None
    max_open_jobs: int | None = Field(default=None, ge=0, le=MAX_OPEN_JOBS)


class UserView(BaseModel):
    """A person of a tenant; `must_change_password` until a password of their own is chosen."""

    id: str
    email: str
    role: Role
    must_change_password: bool
    created_at: datetime


class UserPatch(Strict):
    """A new role for a person."""

    role: Role
