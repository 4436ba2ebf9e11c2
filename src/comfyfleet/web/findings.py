"""What was found in a file, as lines for people."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_LONGEST_LIST: Final = 200


@dataclass(frozen=True)
class Finding:
    """One line: a name, and a text or a list of texts of which `more` are left out."""

    name: str
    values: list[str]
    more: int = 0


def findings_of(inspection: Mapping[str, Any], prefix: str = "") -> list[Finding]:
    """Return what an inspection found; what is empty is left out, and long lists are cut."""
    return list(_findings(inspection, prefix))


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
