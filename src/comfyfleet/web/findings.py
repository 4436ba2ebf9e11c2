"""What was found in a file, as lines for people."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from comfyfleet.server.assets.service import is_locked_away
from comfyfleet.server.models import Asset

_LONGEST_LIST: Final = 200
_DANGERS_ASKED: Final = 5


@dataclass(frozen=True)
class Finding:
    """One line: a name, and a text or a list of texts of which `more` are left out."""

    name: str
    values: list[str]
    more: int = 0


def findings_of(inspection: Mapping[str, Any], prefix: str = "") -> list[Finding]:
    """Return what an inspection found; what is empty is left out, and long lists are cut."""
    return list(_findings(inspection, prefix))


def dangers_of(asset: Asset) -> str:
    """Return in words what the scan of a quarantined asset found, for whoever is asked to release it."""
    found = [str(one) for one in asset.inspection.get("dangerous", [])]
    if not found:
        return "nobody knows what, for it could not be scanned"
    more = f" and {len(found) - _DANGERS_ASKED} more" if len(found) > _DANGERS_ASKED else ""
    return ", ".join(found[:_DANGERS_ASKED]) + more


def scan_of(asset: Asset) -> str:
    """Return in a word or two what an asset's inspection came to: a scan's verdict, what is wrong, or its format."""
    if is_locked_away(asset):
        return "quarantined"
    if asset.released_by is not None:
        return "released"
    found = asset.inspection
    return str(found.get("scan") or ("damaged" if found.get("problem") else found.get("format", "file")))


def _findings(inspection: Mapping[str, Any], prefix: str) -> Iterator[Finding]:
    for key, value in inspection.items():
        name = f"{prefix}{key.replace('_', ' ')}"
        if isinstance(value, Mapping):
            yield from _findings(value, f"{name}: ")
        elif isinstance(value, list) and value:
            yield Finding(name, [_line(one) for one in value[:_LONGEST_LIST]], max(0, len(value) - _LONGEST_LIST))
        elif value not in (None, "", []):
            yield Finding(name, [_line(value)])


def _line(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_line(one)}" for key, one in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
