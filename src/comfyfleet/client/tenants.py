"""The typed client of tenants, their people and their credits, for operators."""

from urllib.parse import quote

from comfyfleet.client.api import ControlPlane
from comfyfleet.core.roles import Role
from comfyfleet.protocol.api import LedgerEntryView, NewGrant, NewTenant, NewUser, NewUserView, TenantView
from comfyfleet.protocol.envelope import Page
from comfyfleet.protocol.tenants import TenantPage, TenantPatch, UserPatch, UserView


class TenantsPlane(ControlPlane):
    """All tenants, by slug."""

    def tenants(self, text: str | None = None, *, limit: int | None = None, offset: int | None = None) -> TenantPage:
        """Return a page of tenants by name; `text` is looked for in slugs and names."""
        return self._get(TenantPage, "/api/tenants", q=text, limit=limit, offset=offset)

    def tenant(self, slug: str) -> TenantView:
        """Return one tenant."""
        return self._get(TenantView, _path(slug))

    def create_tenant(self, tenant: NewTenant) -> TenantView:
        """Make a tenant."""
        return self._send(TenantView, "POST", "/api/tenants", tenant)

    def update_tenant(self, slug: str, patch: TenantPatch) -> TenantView:
        """Change a tenant; what the patch does not set stays as it is."""
        return self._send(TenantView, "PATCH", _path(slug), patch)

    def ledger(self, slug: str, *, before: int | None = None, limit: int | None = None) -> Page[LedgerEntryView]:
        """Return a page of a tenant's ledger, newest first."""
        return self._get(Page[LedgerEntryView], f"{_path(slug)}/ledger", before=before, limit=limit)

    def grant(self, slug: str, grant: NewGrant) -> TenantView:
        """Give credits to a tenant."""
        return self._send(TenantView, "POST", f"{_path(slug)}/grants", grant)

    def users(self, slug: str) -> list[UserView]:
        """Return a tenant's people."""
        return self._get(list[UserView], f"{_path(slug)}/users")

    def add_user(self, slug: str, user: NewUser) -> NewUserView:
        """Add a person to a tenant; the answer holds a one-time password."""
        return self._send(NewUserView, "POST", f"{_path(slug)}/users", user)

    def change_role(self, slug: str, user_id: str, role: Role) -> UserView:
        """Give a person another role."""
        return self._send(UserView, "PATCH", _user(slug, user_id), UserPatch(role=role))

    def renew_password(self, slug: str, user_id: str) -> NewUserView:
        """Give a person a new one-time password; all sessions of that person end."""
        return self._send(NewUserView, "POST", f"{_user(slug, user_id)}/password")

    def remove_user(self, slug: str, user_id: str) -> UserView:
        """Remove a person."""
        return self._send(UserView, "DELETE", _user(slug, user_id))


def _path(slug: str) -> str:
    return f"/api/tenants/{quote(slug, safe='')}"


def _user(slug: str, user_id: str) -> str:
    return f"{_path(slug)}/users/{quote(user_id, safe='')}"
