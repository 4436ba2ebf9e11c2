"""A node as both formats of a workflow are read into, before anything is concluded from it."""

from dataclasses import dataclass
from typing import Any, Final

from comfyfleet.core.analysis.reading import Budget, Text, a_dict, a_list, a_text, invalid, text_or_none
from comfyfleet.core.paths import PathRefused, check_relative_path

MAX_DECLARED: Final = 200


@dataclass(frozen=True)
class Declared:
    """An entry of `properties.models`: a file that a node says it needs, and whence it may be had."""

    filename: str
    directory: str
    url: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class SeenNode:
    """One node that a run would execute, or would if it were not muted or bypassed."""

    node_id: str
    class_type: str
    texts: tuple[Text, ...] = ()
    declared: tuple[Declared, ...] = ()
    package: str | None = None
    version: str | None = None
    is_active: bool = True


def declared_in(properties: dict[str, Any], node: str, budget: Budget) -> tuple[Declared, ...]:
    """Return what a node's properties declare; raise `GraphInvalid` for an entry that names no file."""
    entries = a_list(properties.get("models"), f"properties.models of {node}")
    if len(entries) > MAX_DECLARED:
        raise invalid(f"{node} declares {len(entries):,} models; at most {MAX_DECLARED} are read.")
    budget.spend(values=len(entries))
    return tuple(_declared(a_dict(entry, f"A model of {node}"), node) for entry in entries)


def file_path(name: str, what: str) -> str:
    """Return a file's name below a model folder with `/` between its parts, as ComfyUI has it on Linux.

    Raises:
        GraphInvalid: The name leads out of its folder or cannot be a file's.
    """
    try:
        return check_relative_path(name.replace("\\", "/"), "model file")
    except PathRefused as problem:
        raise invalid(f"{what}: {problem.message}") from problem


def _declared(entry: dict[str, Any], node: str) -> Declared:
    return Declared(
        filename=file_path(a_text(entry.get("name"), f"A model's name in {node}"), node),
        directory=file_path(a_text(entry.get("directory"), f"A model's directory in {node}").rstrip("/"), node),
        url=_url(entry.get("url")),
        sha256=_sha256(entry),
    )


def _url(value: object) -> str | None:
    url = text_or_none(value)
    is_web = url is not None and len(url) <= 2000 and url.startswith(("https://", "http://"))
    return url if is_web and not any(character.isspace() for character in url or "") else None


def _sha256(entry: dict[str, Any]) -> str | None:
    digest, algorithm = text_or_none(entry.get("hash")), text_or_none(entry.get("hash_type"))
    if digest is None or (algorithm or "").lower().replace("-", "") != "sha256":
        return None
    digest = digest.lower()
    return digest if len(digest) == 64 and set(digest) <= set("0123456789abcdef") else None
