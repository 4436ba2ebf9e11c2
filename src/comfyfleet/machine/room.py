"""Room on the disk: looked at before the first byte, and made by forgetting what was not used for the longest time."""

import itertools
import os
import shutil
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path

from comfyfleet.core.bundles import Manifest
from comfyfleet.machine.errors import DiskFull
from comfyfleet.machine.places import Places
from comfyfleet.machine.state import Installed


def make_room(places: Places, needed_bytes: int, keep: AbstractSet[str], spare: AbstractSet[str] = frozenset()) -> int:
    """Have at least so many bytes free; return how many were freed for it.

    What is kept and spared are digests. Parts of other files go first, then files of the store that are neither kept
    nor spared, the longest unused first, and at last those that are not kept.

    Raises:
        DiskFull: Even then there is not enough.
    """
    freed = 0
    candidates = itertools.chain(_parts(places, keep), _unused(places, keep | spare), _unused(places, keep))
    while _free(places) < needed_bytes and (path := next(candidates, None)) is not None:
        freed += _forget(path)
    if _free(places) < needed_bytes:
        raise DiskFull(
            f"The bundle needs {needed_bytes / 1e9:.1f} GB of room, and {_free(places) / 1e9:.1f} GB are free below"
            f" {places.store}.",
            hint="Use a larger disk, or remove what is not needed.",
        )
    return freed


def keep_within(places: Places, limit_bytes: int, keep: AbstractSet[str]) -> int:
    """Forget files of the store, the longest unused first, until it has at most so many bytes; return how many."""
    total = sum(path.stat().st_size for path in places.objects.iterdir())
    freed = 0
    for path in _unused(places, keep):
        if total - freed <= limit_bytes:
            break
        freed += _forget(path)
    return freed


def tidy(places: Places, previous: Installed | None, *, is_complete: bool) -> None:
    """Remove what an apply leaves behind: old parts, staged trees, and trees of bundles before the last."""
    _empty(places.staged, set())
    retired = set() if previous is None else {places.retired_of(entry).name for entry in previous.manifest.entries}
    _empty(places.retired, retired)
    if is_complete:  # before, files may still arrive and be linked
        _empty(places.partial, set())
        _empty(places.links, set())


def digests_of(bundle: Manifest | None) -> set[str]:
    """Return the digests that a bundle needs; none for none."""
    return {entry.sha256 for entry in bundle.entries} if bundle else set()


def _parts(places: Places, keep: AbstractSet[str]) -> Iterator[Path]:
    yield from [path for path in places.partial.iterdir() if path.name.removesuffix(".ranges") not in keep]


def _unused(places: Places, keep: AbstractSet[str]) -> Iterator[Path]:
    """Yield files that are not kept; looked for when the first is asked for."""
    # A file that is linked somewhere gives no room when its name here goes.
    idle = [path for path in places.objects.iterdir() if path.name not in keep and path.stat().st_nlink == 1]
    yield from sorted(idle, key=lambda path: path.stat().st_atime)


def _forget(path: Path) -> int:
    size = path.stat().st_size
    path.unlink()
    return size


def _free(places: Places) -> int:
    status = os.statvfs(places.store)
    return status.f_bavail * status.f_frsize


def _empty(folder: Path, keep: set[str]) -> None:
    for path in folder.iterdir():
        if path.name in keep:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
