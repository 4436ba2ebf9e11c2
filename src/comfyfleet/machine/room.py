"""Room on the disk: looked at before the first byte, and made by forgetting what was not used for the longest time."""

import os
import shutil
from pathlib import Path

from comfyfleet.core.bundles import Manifest
from comfyfleet.machine.errors import DiskFull
from comfyfleet.machine.places import Places
from comfyfleet.machine.state import Installed


def make_room(places: Places, needed_bytes: int, keep: set[str]) -> int:
    """Have at least so many bytes free; return how many were freed for it.

    Files of the store that `keep` (digests) does not name go, the longest unused first.

    Raises:
        DiskFull: Even then there is not enough.
    """
    freed = 0
    for path in _unused(places, keep):
        if _free(places) >= needed_bytes:
            break
        freed += _forget(path)
    if _free(places) < needed_bytes:
        raise DiskFull(
            f"The bundle needs {needed_bytes / 1e9:.1f} GB of room, and {_free(places) / 1e9:.1f} GB are free below"
            f" {places.store}.",
            hint="Use a larger disk, or remove what is not needed.",
        )
    return freed


def keep_within(places: Places, limit_bytes: int, keep: set[str]) -> int:
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
    _empty(places.links, set())
    retired = set() if previous is None else {places.retired_of(entry).name for entry in previous.manifest.entries}
    _empty(places.retired, retired)
    if is_complete:
        _empty(places.partial, set())


def digests_of(bundle: Manifest | None) -> set[str]:
    """Return the digests that a bundle needs; none for none."""
    return {entry.sha256 for entry in bundle.entries} if bundle else set()


def _unused(places: Places, keep: set[str]) -> list[Path]:
    # A file that is linked somewhere gives no room when its name here goes.
    idle = [path for path in places.objects.iterdir() if path.name not in keep and path.stat().st_nlink == 1]
    return sorted(idle, key=lambda path: path.stat().st_atime)


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
