"""The caller of a request, and the errors of not being one."""

from dataclasses import dataclass
from uuid import UUID

from comfyfleet.core.errors import Forbidden
from comfyfleet.core.roles import Role


@dataclass(frozen=True)
class Principal:
    """Who calls, for which tenant, and in which role."""

    tenant_id: UUID
    role: Role
    user_id: UUID | None = None
    email: str | None = None
    must_change_password: bool = False
    key_name: str | None = None

    @property
    def actor(self) -> str:
        """Who this is in the audit: a person by e-mail address, a program by the name of its key."""
        return self.email or f"key: {self.key_name}"


class NotSignedIn(Forbidden):
    """No valid session or key came with the request."""

    code = "not_signed_in"


class AdminOnly(Forbidden):
    """The caller may see the own tenant only."""

    code = "admin_only"


class OperatorOnly(Forbidden):
    """The caller may see everything, and change nothing."""

    code = "operator_only"


class PasswordChangeRequired(Forbidden):
    """The caller still has a one-time password."""

    code = "password_change_required"


class CrossSiteRefused(Forbidden):
    """A request that changes something came with a cookie from another site."""

    code = "cross_site_refused"


class TooManyAttempts(Forbidden):
    """Too many wrong passwords in a short time."""

    code = "too_many_attempts"
