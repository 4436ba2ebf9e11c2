"""A file whose reads are bounded, for libraries that read what a file's own bytes tell them to."""

import io
from typing import BinaryIO, Final

_PIECE_BYTES: Final = 64 * 2**10


class ReadsTooMuch(ValueError):
    """The bytes ask for more reading than is good for us."""


class BoundedFile(io.RawIOBase):
    """Reads `file` with at most `largest` bytes at once and `total` in all; beyond, `ReadsTooMuch` is raised."""

    def __init__(self, file: BinaryIO, *, largest: int, total: int) -> None:
        super().__init__()
        self._file = file
        self._largest = largest
        self._left = total

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def read(self, size: int | None = -1) -> bytes:
        """Read; without a size as far as the end, if that is near enough."""
        if size is None or size < 0:
            content = self._file.read(self._largest + 1)
        elif size <= self._largest:
            content = self._file.read(size)
        else:
            raise ReadsTooMuch(f"a part of it claims {size:,} bytes")
        return self._counted(content)

    def readline(self, size: int | None = -1) -> bytes:
        """Read a line."""
        limit = _PIECE_BYTES if size is None or size < 0 else min(size, _PIECE_BYTES)
        line = self._file.readline(limit)
        if len(line) == _PIECE_BYTES and not line.endswith(b"\n"):
            raise ReadsTooMuch(f"a line of it has more than {_PIECE_BYTES:,} bytes")
        return self._counted(line)

    def _counted(self, content: bytes) -> bytes:
        self._left -= len(content)
        if len(content) > self._largest or self._left < 0:
            raise ReadsTooMuch("too much of it would have to be read")
        return content
