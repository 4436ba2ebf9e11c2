"""Counts what was read of each object, so that a benchmark knows what really went over the wire."""

import json
import threading
from collections import Counter


class Counts:
    """GET requests and body bytes by object, `<bucket>/<key>`; for use by many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gets: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()

    def add(self, name: str, sent: int) -> None:
        """Count one GET of an object of which `sent` bytes left the server."""
        with self._lock:
            self._gets[name] += 1
            self._bytes[name] += sent

    def clear(self) -> None:
        """Begin at zero."""
        with self._lock:
            self._gets.clear()
            self._bytes.clear()

    def as_json(self) -> bytes:
        """Return `{"<bucket>/<key>": {"gets": …, "bytes": …}}`."""
        with self._lock:
            return json.dumps(
                {name: {"gets": gets, "bytes": self._bytes[name]} for name, gets in self._gets.items()}
            ).encode()
