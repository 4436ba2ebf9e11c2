"""What is on this machine already, looked at without reading large files."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from comfyfleet.core.bundles import Entry, Manifest
from comfyfleet.machine.fetch.reader import RangeReader, patiently
from comfyfleet.machine.linking import is_stamped
from comfyfleet.machine.places import Places
from comfyfleet.machine.plan import Facts
from comfyfleet.machine.state import (
    Installed,
    TreeFile,
    read_damaged,
    read_installed,
    read_listed_paths,
    read_record,
)


def take_stock(places: Places, manifest: Manifest, reader: RangeReader) -> Facts:
    """Return the facts that a plan for a bundle follows from. Only sizes that nobody noted are asked of the store."""
    installed = read_installed(places)
    intact = _intact(places, installed) if installed else frozenset()
    known = {entry.sha256: entry.size for entry in installed.manifest.entries} if installed else {}
    sizes = _sizes(places, manifest.entries, known, reader)
    whole = frozenset(sha256 for sha256, size in sizes.items() if is_stamped(places.object_of(sha256), size))
    return Facts(
        sizes=sizes,
        whole=whole,
        partial_bytes=sum(_allocated(places.partial / sha256) for sha256 in sizes if sha256 not in whole),
        installed=installed,
        listed=tuple(read_listed_paths(places)),
        intact=intact,
        standing=_standing(places, manifest, sizes, intact),
        trees=frozenset(waiting_trees(places, manifest)),
    )


def waiting_trees(places: Places, manifest: Manifest) -> dict[str, tuple[TreeFile, ...]]:
    """Return, by target path, the files of unpacked archives that the bundle before has left in the store."""
    previous = read_record(places.previous)
    if previous is None:
        return {}
    return {
        entry.target_path: previous.trees[entry.target_path]
        for entry in manifest.entries
        if entry.action.is_extract
        and previous.entry_at(entry.target_path) == entry
        and is_tree_whole(places.retired_of(entry), previous.trees[entry.target_path])
    }


def is_tree_whole(folder: Path, files: Iterable[TreeFile]) -> bool:
    """Tell whether all files of an unpacked archive are there with their sizes."""
    return all(_size_of(folder / file.path) == file.size for file in files)


def _intact(places: Places, installed: Installed) -> frozenset[str]:
    damaged = read_damaged(places)
    return frozenset(
        entry.target_path
        for entry in installed.manifest.entries
        if entry.target_path not in damaged and _is_intact(places, entry, installed)
    )


def _is_intact(places: Places, entry: Entry, installed: Installed) -> bool:
    target = places.target_of(entry.target_path)
    if entry.action.is_extract:
        files = installed.trees.get(entry.target_path, ())
        own = (file for file in files if installed.entry_at(f"{entry.target_path}/{file.path}") is None)
        return target.is_dir() and is_tree_whole(target, own)
    size = entry.size if entry.size is not None else _size_of(places.object_of(entry.sha256))
    return size is not None and is_stamped(target, size)


def _sizes(
    places: Places, entries: Iterable[Entry], known: dict[str, int | None], reader: RangeReader
) -> dict[str, int]:
    sizes: dict[str, int] = {}
    asked: dict[str, str] = {}
    for entry in entries:
        size = entry.size if entry.size is not None else known.get(entry.sha256)
        if size is None:
            size = _size_of(places.object_of(entry.sha256))
        if size is None:
            asked[entry.sha256] = entry.asset_s3_key
        else:
            sizes[entry.sha256] = size
    for sha256, key in asked.items():
        sizes[sha256] = patiently(partial(reader.size_of, key), key)
    return sizes


def _standing(places: Places, manifest: Manifest, sizes: dict[str, int], intact: frozenset[str]) -> frozenset[str]:
    return frozenset(
        entry.target_path
        for entry in manifest.entries
        if entry.target_path not in intact
        and not entry.action.is_extract
        and not places.target_of(entry.target_path).is_symlink()  # its bytes are somebody else's
        and _size_of(places.target_of(entry.target_path)) == sizes[entry.sha256]
    )


def _size_of(path: Path) -> int | None:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_size if path.is_file() else None


def _allocated(path: Path) -> int:
    try:
        return path.stat().st_blocks * 512
    except FileNotFoundError:
        return 0
