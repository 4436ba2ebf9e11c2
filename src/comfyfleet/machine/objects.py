"""The content store's files: how they come in, and what makes one whole."""

import ctypes
import ctypes.util
import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from comfyfleet.cloud.local.disk import sync
from comfyfleet.machine.fetch.partial import disk_errors
from comfyfleet.machine.linking import stamp
from comfyfleet.machine.places import Places

_BLOCK_BYTES: Final = 4 * 2**20
_MODE: Final = 0o644  # whoever runs ComfyUI reads it


def sync_all(folder: Path) -> None:
    """Have everything that was written to a folder's file system on disk: one wait instead of one a file."""
    library = ctypes.CDLL(None, use_errno=True)
    with disk_errors():
        if not hasattr(library, "syncfs"):
            os.sync()
            return
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            if library.syncfs(descriptor) != 0:
                code = ctypes.get_errno()
                raise OSError(code, os.strerror(code), str(folder))
        finally:
            os.close(descriptor)


def take_in(places: Places, sha256: str, path: Path) -> None:
    """Make a file, whose bytes were found right and are on disk, a whole one of the store."""
    with disk_errors():
        if stat.S_IMODE(path.stat().st_mode) != _MODE:  # under a strict umask
            path.chmod(_MODE)
        stamp(path)
        path.replace(places.object_of(sha256))


def adopt(places: Places, sha256: str, standing: Path) -> bool:
    """Make a file that stands somewhere below the root one of the store, if its bytes are right."""
    if hash_file(standing) != sha256:
        return False
    with disk_errors():
        target = places.object_of(sha256)
        target.unlink(missing_ok=True)
        try:
            os.link(standing, target)
        except OSError:
            return False  # another file system: it is fetched instead
        stamp(target)
        sync(places.objects)
    return True


def hash_file(path: Path, on_bytes: Callable[[int], None] = lambda _count: None) -> str:
    """Return a file's SHA-256."""
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(_BLOCK_BYTES))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
            on_bytes(count)
    return digest.hexdigest()
