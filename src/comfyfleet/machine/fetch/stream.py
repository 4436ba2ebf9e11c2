"""One object on its way: ranges arrive in any order, and are hashed in theirs."""

import hashlib
import mmap
import threading
from collections.abc import Callable

from comfyfleet.machine.fetch.partial import PartialFile


class ObjectStream:
    """Hashes the ranges of one object as soon as those before them are hashed; a buffer goes back right after."""

    def __init__(self, partial: PartialFile, give_back: Callable[[mmap.mmap], None]) -> None:
        self._partial = partial
        self._give_back = give_back
        self._hash = hashlib.sha256()
        self._arrived: dict[int, mmap.mmap] = {}
        self._next = 0
        self._is_hashing = False
        self._lock = threading.Lock()

    def arrived(self, index: int, buffer: mmap.mmap) -> bool:
        """Take over a range's buffer; return whether with it the whole object is hashed."""
        with self._lock:
            self._arrived[index] = buffer
            if self._is_hashing:
                return False
            self._is_hashing = True
        return self._hash_in_order()

    def digest(self) -> str:
        """Return the SHA-256 of all ranges."""
        return self._hash.hexdigest()

    def _hash_in_order(self) -> bool:
        while True:
            with self._lock:
                buffer = self._arrived.pop(self._next, None)
                if buffer is None:
                    self._is_hashing = False
                    return self._next == self._partial.range_count
            with memoryview(buffer) as view:
                self._hash.update(view[: self._partial.length_of(self._next)])
            self._give_back(buffer)
            self._next += 1
