"""How an apply tells what it does."""

import threading
from collections.abc import Callable


class Report:
    """Lines for people and for the log, and a count of bytes for a bar. Safe to use from several threads."""

    def __init__(
        self,
        say: Callable[[str], None] = lambda _line: None,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> None:
        self._say = say
        self._progress = progress
        self._lock = threading.Lock()
        self._done = 0
        self._total = 0

    def say(self, line: str) -> None:
        """Tell what was done or comes next."""
        with self._lock:
            self._say(line)

    def expect(self, total: int) -> None:
        """From now on count to so many bytes."""
        with self._lock:
            self._done, self._total = 0, total

    def count(self, bytes_: int) -> None:
        """So many bytes more are here."""
        with self._lock:
            self._done += bytes_
            self._progress(self._done, self._total)


def size_text(size: int) -> str:
    """Return a number of bytes for people, such as `6.94 GB`."""
    for unit, one in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= one:
            return f"{size / one:.2f} {unit}"
    return f"{size} bytes"
