"""What a verb says in its thread, until the control plane's loop takes it away."""

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Final

from comfyfleet.core.operations import MAX_LOG_CHARACTERS, LineKind
from comfyfleet.core.texts import storable
from comfyfleet.server.operations.service import NewLine
from comfyfleet.web.operating.stopping import Stop

_CUT: Final = "(Too much to be kept here. What the machine prints goes on into the logs bucket, below asset-sync/.)\n"


class Log:
    """A verb's `Reporter`. Steps are told one by one; what a machine prints is gathered in between."""

    def __init__(self, stop: Stop, now: Callable[[], datetime]) -> None:
        self._stop = stop
        self._now = now
        self._lock = threading.Lock()
        self._lines: list[NewLine] = []
        self._left = MAX_LOG_CHARACTERS

    def step(self, words: str) -> None:
        """Say that something begins."""
        self._add(LineKind.STEP, words)
        self._stop.check()

    def output(self, text: str) -> None:
        """Say what a machine printed."""
        if self._left <= 0:
            return
        kept = text[: self._left]
        self._left -= len(kept)
        self._add(LineKind.OUTPUT, kept if self._left > 0 else kept + "\n" + _CUT)

    def take(self) -> list[NewLine]:
        """Return what was said since the last time."""
        with self._lock:
            taken, self._lines = self._lines, []
        return taken

    def _add(self, kind: LineKind, text: str) -> None:
        kept = storable(text)
        with self._lock:
            last = self._lines[-1] if self._lines else None
            if last is not None and last.kind is kind is LineKind.OUTPUT:
                self._lines[-1] = NewLine(last.at, kind, last.text + kept)
            else:
                self._lines.append(NewLine(self._now(), kind, kept))
