"""What the admin's menu leads to."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Entry:
    """A page in the menu, or with `heading` the name of those that follow."""

    name: str = ""
    path: str = ""
    icon: str = ""
    heading: str = ""


MENU: Final = (
    Entry("Dashboard", "/admin", "layout-dashboard"),
    Entry("Jobs", "/admin/jobs", "list-check"),
    Entry("Workers", "/admin/workers", "cpu"),
    Entry(heading="ComfyUI"),
    Entry("Assets", "/admin/comfyui/assets", "database"),
    Entry("Bundles", "/admin/comfyui/bundles", "package"),
    Entry("Fleets", "/admin/comfyui/fleets", "server"),
    Entry("Operations", "/admin/comfyui/operations", "list-details"),
    Entry(heading="Products"),
    Entry("Workflows", "/admin/workflows", "sitemap"),
    Entry("Effects", "/admin/effects", "sparkles"),
    Entry(heading="People"),
    Entry("Tenants", "/admin/tenants", "building"),
    Entry("Audit", "/admin/audit", "history"),
    Entry("Settings", "/admin/settings", "settings"),
)
