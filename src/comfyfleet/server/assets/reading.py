"""Large objects of a store: hashed a piece at a time, and read like a file."""

import asyncio
import hashlib
import io
from collections.abc import Callable
from typing import Final

from comfyfleet.cloud.ports import ObjectStore
from comfyfleet.core.assets import HEAD_BYTES
from comfyfleet.core.keys import ObjectNotFound

_PIECE_BYTES: Final = 8 * 2**20
_AHEAD_BYTES: Final = 2**20


async def digests_of(store: ObjectStore, key: str, size: int, on_bytes: Callable[[int], None]) -> tuple[str, str]:
    """Return the SHA-256 of an object of `size` bytes and that of its first MiB; one piece is read while one is hashed.

    `on_bytes` is called with the bytes hashed so far; what it raises ends the reading.

    Raises:
        ObjectNotFound: The object is not there, or has fewer bytes.
    """
    whole, head = hashlib.sha256(), hashlib.sha256()
    following = _read(store, key, 0)
    try:
        done = 0
        while done < size:
            piece = await following
            if not piece:
                raise ObjectNotFound(f"'{key}' ends after {done:,} of {size:,} bytes.")
            if done + len(piece) < size:
                following = _read(store, key, done + len(piece))
            head.update(piece[: max(0, HEAD_BYTES - done)])
            await asyncio.to_thread(whole.update, piece)
            done += len(piece)
            on_bytes(done)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    return whole.hexdigest(), head.hexdigest()


def _read(store: ObjectStore, key: str, start: int) -> "asyncio.Task[bytes]":
    return asyncio.create_task(asyncio.to_thread(store.read, key, start=start, length=_PIECE_BYTES))


def open_object(store: ObjectStore, key: str, size: int) -> io.BufferedReader:
    """Open an object of `size` bytes as a file; it is read by ranges of at least a MiB, and never held whole."""
    return io.BufferedReader(ObjectFile(store, key, size), _AHEAD_BYTES)


class ObjectFile(io.RawIOBase):
    """Reads an object by ranges, as they are asked for."""

    def __init__(self, store: ObjectStore, key: str, size: int) -> None:
        super().__init__()
        self._store = store
        self._key = key
        self._size = size
        self._position = 0

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
        wanted = min(len(buffer), self._size - self._position)
        if wanted <= 0:
            return 0
        piece = self._store.read(self._key, start=self._position, length=wanted)
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)
