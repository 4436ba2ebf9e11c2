"""Reads a file that becomes an asset once, in order, and notices when it changes meanwhile."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from comfyfleet.client.transfers import FileChanged
from comfyfleet.core.assets import HEAD_BYTES
from comfyfleet.core.errors import Invalid

_BLOCK_BYTES: Final = 4 * 2**20


class FileEmpty(Invalid):
    """There is nothing to add."""

    code = "file_empty"


class HashedFile:
    """An open file of `size` bytes, and the SHA-256 of what was read of it; a context manager.

    Raises:
        FileEmpty: It has no bytes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb", buffering=0)
        self._before = os.fstat(self._file.fileno())
        self._digest = hashlib.sha256()
        self.size = self._before.st_size
        if self.size == 0:
            self._file.close()
            raise FileEmpty(f"{path} is empty.", hint="Leave it out, or download it again.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def head_sha256(self) -> str:
        """Return the digest of the first MiB; the next read begins at the start."""
        head = bytearray(min(HEAD_BYTES, self.size))
        self._fill(memoryview(head))
        self._rewind()
        return hashlib.sha256(head).hexdigest()

    def sha256(self, on_bytes: Callable[[int], None]) -> str:
        """Read and hash the whole file; the next read begins at the start. Raise `FileChanged` if it changed."""
        block = memoryview(bytearray(min(_BLOCK_BYTES, self.size)))
        for start in range(0, self.size, _BLOCK_BYTES):
            self.read_into(block[: self.size - start])
            on_bytes(min(start + _BLOCK_BYTES, self.size))
        self.check_unchanged()
        digest = self.hexdigest()
        self._rewind()
        return digest

    def read_into(self, view: memoryview) -> None:
        """Read and hash the next `len(view)` bytes; raise `FileChanged` when there are fewer."""
        for start in range(0, len(view), _BLOCK_BYTES):  # a block that was just read is hashed from the CPU's cache
            block = view[start : start + _BLOCK_BYTES]
            self._fill(block)
            self._digest.update(block)

    def hexdigest(self) -> str:
        """Return the digest of what was read since the start."""
        return self._digest.hexdigest()

    def check_unchanged(self) -> None:
        """Raise `FileChanged` if the file was written to, or another one has its name now."""
        try:
            named = self._path.stat()
        except FileNotFoundError:
            raise self._changed("was removed") from None
        if _mark(named) != _mark(self._before):
            raise self._changed("changed")

    def _fill(self, view: memoryview) -> None:
        done = 0
        while done < len(view):
            count = self._file.readinto(view[done:])
            if not count:
                raise self._changed("became shorter")
            done += count

    def _rewind(self) -> None:
        self._file.seek(0)
        self._digest = hashlib.sha256()

    def _changed(self, how: str) -> FileChanged:
        return FileChanged(f"{self._path} {how} while it was read.", hint="Wait until it is whole, then try again.")


def _mark(stat: os.stat_result) -> tuple[int, ...]:
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns
