"""An object of a store as a file that can be read and sought in, a piece at a time."""

import io
from typing import Final

from comfyfleet.cloud.ports import ObjectStore

_AHEAD_BYTES: Final = 2**20


class ObjectFile(io.RawIOBase):
    """Reads an object of `size` bytes by ranges; keeps at most one piece of a MiB."""

    def __init__(self, store: ObjectStore, key: str, size: int) -> None:
        super().__init__()
        self._store = store
        self._key = key
        self._size = size
        self._position = 0
        self._piece_start = 0
        self._piece = b""

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position; from the beginning, from here, or from the end."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("a position before the beginning")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]  # typeshed's buffer type
        """Read into a buffer; return how many bytes."""
        wanted = min(len(buffer), max(0, self._size - self._position))
        piece = self._read_piece(wanted)
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def _read_piece(self, wanted: int) -> bytes:
        if wanted == 0:
            return b""
        offset = self._position - self._piece_start
        if not 0 <= offset < len(self._piece):
            self._piece_start, offset = self._position, 0
            self._piece = self._store.read(self._key, start=self._position, length=max(wanted, _AHEAD_BYTES))
        return self._piece[offset : offset + wanted]
