"""What an apply is going to do: decided purely, from a manifest and facts about this machine."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final

from comfyfleet.core.bundles import Entry, Manifest
from comfyfleet.machine.state import Installed, is_node

SMALL_BYTES: Final = 16 * 2**20
"""Files up to this size come before larger ones."""

_UNPACKED_RATIO: Final = 4  # room that is kept free for an archive whose contents are not known yet
_SPARE_BYTES: Final = 64 * 2**20


@dataclass(frozen=True)
class Facts:
    """What a plan follows from.

    `sizes` holds the size of every digest that the manifest names, in bytes; `whole` those that the store has,
    `partial_bytes` how much of others; `intact` the target paths at which what is recorded still lies unchanged by
    the look of it; `standing` other target paths at which something stands; `trees` the target paths whose unpacked
    archives wait in the store with a record of their files.
    """

    sizes: Mapping[str, int]
    whole: frozenset[str] = frozenset()
    partial_bytes: int = 0
    installed: Installed | None = None
    listed: tuple[str, ...] = ()
    intact: frozenset[str] = frozenset()
    standing: frozenset[str] = frozenset()
    trees: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Plan:
    """What will be done, in this order. Sizes are in bytes.

    `fetch` has each digest once: custom nodes and small files first, then as the manifest lists them. `adopt` are
    files that stand at their path already and only need to be read; `unpack`, `place` and `remove` follow. `listed`
    are the paths that the last bundle installed, by whomever it was applied. `is_first` says that no bundle was whole
    before, so that nothing is harmed when files show up one after another; `is_lock_new`, that the packages which the
    bundle's lock names are to be installed whatever else changes.
    """

    manifest: Manifest
    fetch: tuple[Entry, ...]
    adopt: tuple[Entry, ...]
    unpack: tuple[Entry, ...]
    place: tuple[Entry, ...]
    keep: tuple[Entry, ...]
    remove: tuple[str, ...]
    listed: tuple[str, ...]
    fetch_bytes: int
    needed_bytes: int
    is_restart_needed: bool
    is_first: bool
    is_lock_new: bool

    @property
    def is_done_already(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.fetch or self.unpack or self.place or self.remove)


def make_plan(manifest: Manifest, facts: Facts, first: tuple[str, ...] = (), *, whole: Manifest | None = None) -> Plan:
    """Return what brings this machine to a bundle; files at the target paths `first` come before the others.

    Where `manifest` is the first part of the bundle `whole`, only what `whole` does not have either is removed.
    """
    remove = _stale(whole or manifest, facts)
    place = _to_place(manifest, facts, remove)
    placed = {entry.target_path for entry in place}
    is_lock_new = _is_lock_new(manifest, facts)
    unpack = tuple(entry for entry in place if entry.action.is_extract and entry.target_path not in facts.trees)
    lacking = [entry for entry in place if entry.sha256 not in facts.whole and not _is_waiting_tree(entry, facts)]
    adopt = tuple(entry for entry in lacking if entry.target_path in facts.standing and not entry.action.is_extract)
    fetch = _in_order(lacking, first)
    fetch_bytes = sum(facts.sizes[entry.sha256] for entry in fetch)
    return Plan(
        manifest=manifest,
        fetch=fetch,
        adopt=adopt,
        unpack=unpack,
        place=place,
        keep=tuple(entry for entry in manifest.entries if entry.target_path not in placed),
        remove=remove,
        listed=facts.listed,
        fetch_bytes=fetch_bytes,
        needed_bytes=_needed(fetch_bytes, unpack, facts),
        is_restart_needed=is_lock_new or _is_restart_needed(place, remove, facts),
        is_first=not facts.listed if facts.installed is None else not facts.installed.is_complete,
        is_lock_new=is_lock_new,
    )


def first_part(manifest: Manifest, facts: Facts) -> Manifest | None:
    """Return what of a first bundle is put in place before the rest is fetched: custom nodes and small files.

    None when that is all of it.
    """
    entries = tuple(entry for entry in manifest.entries if is_node(entry) or facts.sizes[entry.sha256] <= SMALL_BYTES)
    return None if len(entries) == len(manifest.entries) else replace(manifest, entries=entries)


def _is_kept(entry: Entry, facts: Facts) -> bool:
    if facts.installed is None or entry.target_path not in facts.intact:
        return False
    present = facts.installed.entry_at(entry.target_path)
    return present is not None and (present.sha256, present.action) == (entry.sha256, entry.action)


def _to_place(manifest: Manifest, facts: Facts, remove: tuple[str, ...]) -> tuple[Entry, ...]:
    """Return what is put in place: what changes, and what lies inside a tree that is replaced or goes."""
    uncovered = _uncovered_trees(facts, set(remove))
    changed = [entry for entry in manifest.entries if not _is_kept(entry, facts) or entry.target_path in uncovered]
    moved = {entry.target_path for entry in changed if entry.action.is_extract} | set(remove)
    chosen = {entry.target_path for entry in changed}
    return tuple(
        entry for entry in manifest.entries if entry.target_path in chosen or moved & set(_above(entry.target_path))
    )


def _uncovered_trees(facts: Facts, remove: AbstractSet[str]) -> set[str]:
    """Return unpacked archives one of whose own files was replaced by an asset that goes: they need that file back."""
    trees = facts.installed.trees if facts.installed else {}
    return {
        target
        for path in remove
        for target in trees.keys() & set(_above(path))
        if any(f"{target}/{file.path}" == path for file in trees[target])
    }


def _above(path: str) -> list[str]:
    return [str(folder) for folder in PurePosixPath(path).parents]


def _is_waiting_tree(entry: Entry, facts: Facts) -> bool:
    return entry.action.is_extract and entry.target_path in facts.trees


def _in_order(entries: list[Entry], first: tuple[str, ...]) -> tuple[Entry, ...]:
    ranks = {path: rank for rank, path in enumerate(first)}
    once = {entry.sha256: entry for entry in reversed(entries)}
    position = {entry.sha256: number for number, entry in reversed(list(enumerate(entries)))}

    def rank(entry: Entry) -> tuple[bool, bool, int, int]:
        is_large = entry.size is None or entry.size > SMALL_BYTES
        wanted = ranks.get(entry.target_path, len(ranks))
        return (not is_node(entry), is_large, wanted, position[entry.sha256])

    return tuple(sorted(once.values(), key=rank))


def _stale(manifest: Manifest, facts: Facts) -> tuple[str, ...]:
    """Return paths that the last bundle installed and this one does not; of nested ones the outermost.

    A folder that other systems list and that a new path lies in stays: we cannot tell what of it was the bundle's.
    """
    wanted = {entry.target_path for entry in manifest.entries}
    above_wanted = {folder for path in wanted for folder in _above(path)}
    ours = set(facts.installed.paths()) if facts.installed else set()
    stale = (ours - wanted) | (set(facts.listed) - ours - wanted - above_wanted)
    return tuple(sorted(path for path in stale if not stale & set(_above(path))))


def _needed(fetch_bytes: int, unpack: tuple[Entry, ...], facts: Facts) -> int:
    if not fetch_bytes and not unpack:
        return 0
    unpacked = sum(facts.sizes[entry.sha256] for entry in unpack) * _UNPACKED_RATIO
    return max(0, fetch_bytes - facts.partial_bytes) + unpacked + _SPARE_BYTES


def _is_lock_new(manifest: Manifest, facts: Facts) -> bool:
    before = facts.installed.manifest.requirements_lock if facts.installed else None
    return manifest.requirements_lock not in {None, before}


def _is_restart_needed(place: tuple[Entry, ...], remove: tuple[str, ...], facts: Facts) -> bool:
    before = facts.installed.manifest.entries if facts.installed else ()
    gone = {entry.target_path for entry in before if is_node(entry)} & set(remove)
    return bool(gone) or any(is_node(entry) for entry in place) or any(p.startswith("custom_nodes/") for p in remove)
