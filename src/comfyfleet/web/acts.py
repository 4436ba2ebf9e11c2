"""How pages tell an act of the audit: where its subject is, and its details in words."""

from typing import Any, Final
from urllib.parse import quote

from comfyfleet.server.models import AuditEntry

KINDS: Final = (
    ("asset.", "assets"),
    ("bundle.", "bundles"),
    ("credits.", "credits"),
    ("devnode.", "dev nodes"),
    ("effect.", "effects"),
    ("fleet.", "fleets"),
    ("job.", "jobs"),
    ("key.", "keys"),
    ("operation.", "operations"),
    ("tenant.", "tenants"),
    ("user.", "people"),
    ("worker.", "workers"),
    ("workflow.", "workflows"),
)
"""The beginnings of acts, and what they are about."""

_PAGES: Final = {
    "asset": "/admin/comfyui/assets/",
    "credits": "/admin/tenants/",
    "effect": "/admin/effects/",
    "fleet": "/admin/comfyui/fleets/",
    "job": "/admin/jobs/",
    "tenant": "/admin/tenants/",
    "worker": "/admin/workers/",
    "workflow": "/admin/workflows/",
}
_OF_A_TENANT: Final = ("user", "key")
_LONGEST: Final = 200


def path_of(entry: AuditEntry) -> str | None:
    """Return the page of what an act was done to, as far as there is one."""
    if isinstance(entry.detail.get("operation"), int):
        return f"/admin/comfyui/operations/{entry.detail['operation']}"
    kind = entry.action.partition(".")[0]
    if kind in _OF_A_TENANT and isinstance(entry.detail.get("tenant"), str):
        return _PAGES["tenant"] + quote(entry.detail["tenant"], safe="")
    return _PAGES[kind] + quote(entry.subject, safe="/") if kind in _PAGES else None


def details_of(entry: AuditEntry) -> list[tuple[str, str]]:
    """Return the details of an act as names and texts; a change is told as `3 → 5`."""
    told: list[tuple[str, str]] = []
    for name, value in entry.detail.items():
        if name == "changes" and isinstance(value, dict):
            told += [(one.replace("_", " "), _change(change)) for one, change in value.items()]
        elif value not in (None, "", [], {}):
            told.append((name.replace("_", " "), _short(value)))
    return told


def _change(change: Any) -> str:
    if not isinstance(change, list) or len(change) != 2:
        return _short(change)
    return " → ".join("none" if value in (None, "") else _short(value) for value in change)


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
