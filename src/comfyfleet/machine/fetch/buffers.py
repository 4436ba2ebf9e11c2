"""A fixed number of large buffers: what bounds the memory of a fetch."""

import mmap
import threading
from typing import Final

BUFFER_BYTES: Final = 4 * 2**20
"""Also the size of a range."""

BLOCK_BYTES: Final = 4096
"""What lengths and places of direct writes are multiples of."""


class BufferPool:
    """`count` buffers of `BUFFER_BYTES` each; page-aligned, as direct writes need them."""

    def __init__(self, count: int) -> None:
        self._free = [mmap.mmap(-1, BUFFER_BYTES) for _ in range(count)]
        self._changed = threading.Condition()
        self._is_closed = False

    def take(self) -> mmap.mmap | None:
        """Return a buffer; wait until one is free. None once the pool is closed."""
        with self._changed:
            while not self._free and not self._is_closed:
                self._changed.wait()
            return None if self._is_closed else self._free.pop()

    def give_back(self, buffer: mmap.mmap) -> None:
        """Let others use a buffer."""
        with self._changed:
            self._free.append(buffer)
            self._changed.notify()

    def close(self) -> None:
        """Send everyone home who waits for a buffer."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
