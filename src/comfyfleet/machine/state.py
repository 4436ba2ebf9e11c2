"""What is installed: our own record, and the files that other systems read."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from comfyfleet.cloud.local.disk import sync
from comfyfleet.core.bundles import Action, Entry, Manifest, check_target
from comfyfleet.core.errors import FleetError
from comfyfleet.core.manifests import parse_manifest, write_manifest
from comfyfleet.machine.errors import ApplyRunning, StateInvalid
from comfyfleet.machine.fetch.partial import disk_errors
from comfyfleet.machine.places import Places

_RECORD_VERSION: Final = 1
_PAUSE_SECONDS: Final = 0.5


@dataclass(frozen=True)
class TreeFile:
    """A file of an unpacked archive: its path in the tree, and what it was when it was unpacked."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Installed:
    """A bundle on this machine. `trees` holds the files of each unpacked archive by target path.

    Where there was no bundle before, one that is not complete yet may be in place: its custom nodes and small files.
    """

    manifest: Manifest
    trees: Mapping[str, tuple[TreeFile, ...]] = field(default_factory=dict)
    is_complete: bool = True

    def paths(self) -> list[str]:
        """Return the target paths, as the contract's list has them."""
        return [entry.target_path for entry in self.manifest.entries]

    def entry_at(self, target_path: str) -> Entry | None:
        """Return what is installed at a target path."""
        return self._entry_at.get(target_path)

    @cached_property
    def _entry_at(self) -> dict[str, Entry]:
        return {entry.target_path: entry for entry in self.manifest.entries}


def read_installed(places: Places) -> Installed | None:
    """Return the bundle in place, if it was put there by us and nobody has applied another one since."""
    installed = read_record(places.installed)
    if installed is None:
        return None
    expected = installed.manifest.bundle_id if installed.is_complete else None
    return installed if read_active_bundle(places) == expected else None


def read_record(path: Path) -> Installed | None:
    """Return a record, or None when there is none; raise `StateInvalid` for one that is damaged."""
    try:
        document = json.loads(path.read_bytes())
        return parse_record(document)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, FleetError) as error:
        raise StateInvalid(
            f"The record {path} is damaged: {error}", hint="Remove it and apply the bundle again."
        ) from error


def parse_record(document: Any) -> Installed:
    """Return a record's JSON as what it says."""
    manifest = parse_manifest(document["manifest"])
    trees = {
        target: tuple(TreeFile(path, sha256, size) for path, sha256, size in files)
        for target, files in document["trees"].items()
    }
    return Installed(manifest, trees, is_complete=bool(document["is_complete"]))


def record_of(installed: Installed) -> dict[str, Any]:
    """Return what is written down of a bundle."""
    return {
        "record_version": _RECORD_VERSION,
        "manifest": json.loads(write_manifest(installed.manifest)),
        "is_complete": installed.is_complete,
        "trees": {
            target: [[file.path, file.sha256, file.size] for file in files] for target, files in installed.trees.items()
        },
    }


def read_active_bundle(places: Places) -> str | None:
    """Return the id of the bundle that was applied last, by whomever."""
    try:
        return places.active_bundle.read_text().strip() or None
    except FileNotFoundError:
        return None


def read_listed_paths(places: Places) -> list[str]:
    """Return the paths that the last bundle installed, by whomever.

    Left out are lines that lead elsewhere, and those that name what is not a bundle's: the machine's own files, and
    folders such as models/loras that others put files into, too.
    """
    try:
        lines = places.listed_paths.read_text().splitlines()
    except FileNotFoundError:
        return []
    return [path for line in lines if (path := _safe(places, line.strip())) is not None]


def read_damaged(places: Places) -> frozenset[str]:
    """Return the target paths at which the last verification found other bytes, though they look as they should."""
    try:
        return frozenset(places.damaged.read_text(encoding="utf-8").splitlines())
    except FileNotFoundError:
        return frozenset()


def write_damaged(places: Places, target_paths: Iterable[str]) -> None:
    """Note, for the next apply, which target paths are to be put in place anew."""
    lines = "".join(f"{path}\n" for path in sorted(target_paths))
    if lines:
        write_durably(places.damaged, lines)
    else:
        places.damaged.unlink(missing_ok=True)


def write_durably(path: Path, text: str) -> None:
    """Replace a small file so that a crash leaves the old one or the new one, and have it on disk."""
    with disk_errors():
        write_whole(path, text, is_synced=True)
        sync(path.parent)


def write_whole(path: Path, text: str, *, is_synced: bool = False) -> None:
    """Replace a small file so that a reader sees the old one or the new one."""
    temporary = path.with_name(f"{path.name}.new")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        if is_synced:
            os.fsync(file.fileno())
    temporary.replace(path)


@contextlib.contextmanager
def alone(places: Places, *, wait_seconds: float = 0) -> Iterator[None]:
    """Be the only command that changes this machine's bundle; raise `ApplyRunning` if another one stays."""
    with disk_errors():
        places.store.mkdir(parents=True, exist_ok=True)
        lock = places.lock.open("a+")
    deadline = time.monotonic() + wait_seconds
    with lock:
        while not _locked(lock.fileno()):
            if time.monotonic() >= deadline:
                raise ApplyRunning(
                    "Another command works on this machine's bundle.", hint="Wait for it, or use --wait SECONDS."
                )
            time.sleep(_PAUSE_SECONDS)
        yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _safe(places: Places, line: str) -> str | None:
    # Older scripts may have written absolute paths below the root, or a directory with a slash at its end.
    path = line.removeprefix(f"{places.root}/").removeprefix("./").rstrip("/")
    try:
        return check_target(path) if path and not _is_shared_folder(places, path) else None
    except FleetError:
        return None


def _is_shared_folder(places: Places, path: str) -> bool:
    depth = 2 if path.startswith("models/") else 1
    return path.count("/") < depth and places.target_of(path).is_dir()


def is_node(entry: Entry) -> bool:
    """Tell whether an entry is code of a custom node, which ComfyUI reads when it starts."""
    return entry.action is not Action.COPY or entry.target_path.startswith("custom_nodes/")
