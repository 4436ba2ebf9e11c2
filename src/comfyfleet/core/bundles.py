"""A bundle: a manifest of assets and where each goes. Written once, never changed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Final

from comfyfleet.core.assets import FOLDER_OF, AssetKind, archive_suffix
from comfyfleet.core.errors import Invalid
from comfyfleet.core.paths import check_relative_path, collision_key

MAX_ENTRIES: Final = 10_000
_RESERVED: Final = frozenset({"bin", "venv", ".venv"})


class BundleInvalid(Invalid):
    """A bundle contradicts itself or could not be installed."""

    code = "bundle_invalid"


class Action(StrEnum):
    """What is done with an asset at its target path."""

    COPY = "copy"
    EXTRACT_ZIP = "extract_zip"
    EXTRACT_TAR_GZ = "extract_tar_gz"

    @property
    def is_extract(self) -> bool:
        """Whether the target path is a directory that an archive is unpacked into."""
        return self is not Action.COPY


@dataclass(frozen=True)
class Entry:
    """One asset of a bundle. `size` is in bytes, and unknown in manifests of older writers."""

    kind: AssetKind
    sha256: str
    asset_s3_key: str
    original_filename: str
    target_path: str
    action: Action = Action.COPY
    size: int | None = None
    asset_id: int | None = None


@dataclass(frozen=True)
class Manifest:
    """What a bundle is. `created_at` is ISO 8601 in UTC.

    `requirements_lock` holds pinned requirements with which custom nodes' packages are installed, in pip's format.
    """

    bundle_id: str
    name: str
    created_at: str
    entries: tuple[Entry, ...]
    notes: str | None = None
    requirements_lock: str | None = None

    @property
    def known_bytes(self) -> int:
        """The sizes that are known, together; each digest once."""
        return sum({entry.sha256: entry.size or 0 for entry in self.entries}.values())


@dataclass(frozen=True)
class Difference:
    """What changes from one bundle to the next; `bytes_to_fetch` counts digests that the old one lacks, once each."""

    added: tuple[Entry, ...]
    removed: tuple[Entry, ...]
    moved: tuple[tuple[Entry, Entry], ...]
    kept: tuple[Entry, ...]
    bytes_to_fetch: int


def default_action(kind: AssetKind, filename: str) -> Action:
    """Return what is done with an asset unless told otherwise: archives of custom nodes are unpacked."""
    suffix = archive_suffix(filename) if kind is AssetKind.CUSTOM_NODE else None
    if suffix is None:
        return Action.COPY
    return Action.EXTRACT_ZIP if suffix == ".zip" else Action.EXTRACT_TAR_GZ


def default_target(kind: AssetKind, filename: str, action: Action) -> str:
    """Return where an asset goes unless told otherwise: its kind's folder, under its name."""
    name = PurePosixPath(filename.replace("\\", "/")).name
    if action.is_extract:
        name = name[: -len(archive_suffix(name) or "")] if archive_suffix(name) else name
    return check_target(f"{FOLDER_OF[kind]}/{name}")


def check_target(path: str) -> str:
    """Return a target path; raise `PathRefused` or `BundleInvalid` unless a bundle may install something there."""
    check_relative_path(path, "target path")
    first = path.split("/", maxsplit=1)[0]
    if first.startswith(".") or first in _RESERVED:
        raise BundleInvalid(
            f"The target path '{path[:120]}' is the machine's own.",
            hint="Use a path such as models/loras/a.safetensors.",
        )
    return path


def check_entries(entries: Iterable[Entry]) -> None:
    """Raise `BundleInvalid` when two assets cannot both be installed.

    A file may lie inside the directory of an unpacked archive; nothing else may lie in, on or above another target.
    """
    seen: dict[str, Entry] = {}
    for entry in entries:
        other = seen.setdefault(collision_key(check_target(entry.target_path)), entry)
        if other is not entry:
            raise _collision(entry, other)
    if len(seen) > MAX_ENTRIES:
        raise BundleInvalid(f"The bundle has {len(seen):,} assets.", hint=f"Use at most {MAX_ENTRIES:,}.")
    for key, entry in seen.items():
        for above in _folders_above(key):
            other = seen.get(above, entry)
            if other is not entry and not (other.action.is_extract and not entry.action.is_extract):
                raise _collision(entry, other)


def compare(old: Manifest, new: Manifest) -> Difference:
    """Return what changes from `old` to `new`; an asset that only changes its path or action is moved."""
    before = {_place(entry): entry for entry in old.entries}
    after = {_place(entry): entry for entry in new.entries}
    removed = {entry.sha256: entry for place, entry in before.items() if place not in after}
    added: list[Entry] = []
    moved: list[tuple[Entry, Entry]] = []
    for place, entry in after.items():
        if place in before:
            continue
        source = removed.pop(entry.sha256, None)
        if source is None:
            added.append(entry)
        else:
            moved.append((source, entry))
    gone = {_place(source) for source, _ in moved} | after.keys()
    present = {entry.sha256 for entry in old.entries}
    fetched = {entry.sha256: entry.size or 0 for entry in new.entries if entry.sha256 not in present}
    return Difference(
        added=tuple(added),
        removed=tuple(entry for place, entry in before.items() if place not in gone),
        moved=tuple(moved),
        kept=tuple(entry for place, entry in after.items() if place in before),
        bytes_to_fetch=sum(fetched.values()),
    )


def _place(entry: Entry) -> tuple[str, str, Action]:
    return entry.target_path, entry.sha256, entry.action


def _folders_above(path: str) -> Iterator[str]:
    parts = path.split("/")[:-1]
    for length in range(1, len(parts) + 1):
        yield "/".join(parts[:length])


def _collision(entry: Entry, other: Entry) -> BundleInvalid:
    return BundleInvalid(
        f"'{entry.original_filename[:80]}' and '{other.original_filename[:80]}' collide at '{entry.target_path[:120]}'"
        f" and '{other.target_path[:120]}'.",
        hint="Give one of them another target path, or leave it out.",
    )
