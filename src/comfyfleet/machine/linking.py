"""Puts a file of the content store at its target path, in one step that leaves the old file or the new one."""

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import stat
import sys
from pathlib import Path
from typing import Final

STAMP_SECONDS: Final = 1_000_000_000
"""The modification time of every verified file. Whoever writes to one changes it, which shows without reading."""

_NO_LINK: Final = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP}
_FICLONE: Final = 0x40049409  # linux/fs.h: share the blocks of another file


def stamp(path: Path) -> None:
    """Mark a file as verified; now is when it was used last."""
    os.utime(path, (max(STAMP_SECONDS, path.stat().st_ctime), STAMP_SECONDS))


def is_stamped(path: Path, size: int) -> bool:
    """Tell, without reading it, whether a file is as it was when its bytes were verified."""
    return has_stamp(path) and path.lstat().st_size == size


def has_stamp(path: Path) -> bool:
    """Tell whether a file is one that was verified, whatever its size."""
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISREG(status.st_mode) and status.st_mtime == STAMP_SECONDS


def link_into_place(source: Path, target: Path, scratch: Path) -> None:
    """Make `target` the same file as `source`, or a copy where the file system knows no links."""
    with contextlib.suppress(FileNotFoundError):
        if target.samefile(source) and not target.is_symlink():
            return
    temporary = scratch / secrets.token_hex(8)  # one that a killed run leaves is removed with the folder's contents
    try:
        os.link(source, temporary)
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno not in _NO_LINK:
            raise
        _copy_into_place(source, target)


def _copy_into_place(source: Path, target: Path) -> None:
    # Always the same name: a run that is killed leaves one such file, and the next run writes over it.
    temporary = target.with_name(f".{target.name[:80]}.{source.name[:16]}.new")
    temporary.unlink(missing_ok=True)
    try:
        with source.open("rb") as read, temporary.open("xb") as write:
            if not _share_blocks(read.fileno(), write.fileno()):
                shutil.copyfileobj(read, write, 4 * 2**20)
            write.flush()
            os.fsync(write.fileno())
        os.utime(temporary, (STAMP_SECONDS, STAMP_SECONDS))
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _share_blocks(source: int, target: int) -> bool:
    if sys.platform != "linux":
        return False
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        return False
    return True
