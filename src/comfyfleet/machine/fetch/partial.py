"""A file that is being fetched: its bytes, and beside them which ranges are there, so that a next run goes on.

The file is `<digest>` and the ranges `<digest>.ranges`, one byte each: 1 when the range has been written. A range that
the disk lost after all (power, not a killed process) shows in the digest. An object of one range has no such note: it
is there, or it is fetched again.
"""

import contextlib
import errno
import mmap
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from comfyfleet.machine.errors import DiskFull, DiskRefuses
from comfyfleet.machine.fetch.buffers import BLOCK_BYTES, BUFFER_BYTES

_DIRECT_FROM: Final = 2**20  # below, a write through the page cache is quicker
_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class PartialFile:
    """The part of an object of `size` bytes that is on this disk, open for more."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        self.range_count = max(1, -(-size // BUFFER_BYTES))
        with disk_errors():
            self._ranges = None if self.range_count == 1 else os.open(ranges_of(path), os.O_RDWR | os.O_CREAT, 0o600)
            self.is_direct = size >= _DIRECT_FROM
            self._file = self._open()
            self._reserve()

    def offset_of(self, index: int) -> int:
        """Return where a range begins."""
        return index * BUFFER_BYTES

    def length_of(self, index: int) -> int:
        """Return how many bytes a range has."""
        return min(BUFFER_BYTES, self.size - self.offset_of(index))

    def present(self) -> bytes:
        """Return one byte a range: 1 for those that an earlier run has written."""
        noted = b"" if self._ranges is None else os.pread(self._ranges, self.range_count, 0)
        return noted.ljust(self.range_count, b"\0")

    def read_into(self, index: int, buffer: mmap.mmap) -> None:
        """Read a range that an earlier run has written."""
        with self.path.open("rb", buffering=0) as file, memoryview(buffer) as view:
            file.seek(self.offset_of(index))
            done = 0
            while done < self.length_of(index):
                done += file.readinto(view[done : self.length_of(index)]) or self._end()

    def write(self, index: int, buffer: mmap.mmap) -> None:
        """Write a range and note that it is there."""
        length = self.length_of(index)
        if self.is_direct:  # the file is cut to its size at the end
            length = -(-length // BLOCK_BYTES) * BLOCK_BYTES
        with disk_errors(), memoryview(buffer) as view:
            done = 0
            while done < length:
                done += os.pwrite(self._file, view[done:length], self.offset_of(index) + done)
            if self._ranges is not None:
                os.pwrite(self._ranges, b"\1", index)

    def finish(self) -> None:
        """Give the file its size; its bytes have been found right."""
        with disk_errors():
            os.ftruncate(self._file, self.size)

    def close(self) -> None:
        """Close it; what is there stays for the next run."""
        os.close(self._file)
        if self._ranges is not None:
            os.close(self._ranges)

    def discard(self) -> None:
        """Forget all that was written."""
        if self._ranges is not None:
            with disk_errors():
                os.ftruncate(self._ranges, 0)

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT
        if self.is_direct:
            try:
                return os.open(self.path, flags | getattr(os, "O_DIRECT", 0), 0o644)
            except OSError as error:
                if error.errno != errno.EINVAL:  # tmpfs and some others know no direct writes
                    raise
                self.is_direct = False
        return os.open(self.path, flags, 0o644)

    def _reserve(self) -> None:
        """Take the room on the disk at once: a disk that is too small shows now, and writes need not extend."""
        if self.size < _DIRECT_FROM or not hasattr(os, "posix_fallocate"):
            return
        whole = -(-self.size // BLOCK_BYTES) * BLOCK_BYTES if self.is_direct else self.size
        if os.fstat(self._file).st_blocks * 512 < whole:
            os.posix_fallocate(self._file, 0, whole)

    def _end(self) -> int:
        raise DiskRefuses(f"{self.path} is shorter than noted.", hint="Run the command again.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def ranges_of(path: Path) -> Path:
    """Return where the ranges of a partial file are noted."""
    return path.with_name(f"{path.name}.ranges")


class _DiskErrors(contextlib.AbstractContextManager[None]):
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, OSError):
            return
        if error.errno in _FULL:
            raise DiskFull(f"The disk is full: {error.strerror}.", hint="Make room and run it again.") from error
        where = f" {error.filename}" if error.filename else ""
        raise DiskRefuses(
            f"The disk refuses{where}: {error.strerror}.",
            hint="Look at the disk and the permissions, and run it again.",
        ) from error


def disk_errors() -> contextlib.AbstractContextManager[None]:
    """Turn the disk's errors into ours."""
    return _DiskErrors()
