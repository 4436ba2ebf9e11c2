"""The last lines of the worker's own log, kept until the control plane has them."""

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from comfyfleet.core.redaction import redacted
from comfyfleet.protocol.worker import MAX_LOG_LINES, MAX_LOG_TEXT, LogLine

_KEPT_LINES: Final = 1000
_CUT: Final = "\n…\n"


@dataclass(frozen=True)
class Batch:
    """Lines in their order, and the number of the last of them."""

    lines: Sequence[LogLine]
    last: int


class LogBuffer(logging.Handler):
    """Keeps what is logged, without what opens something, and forgets the oldest lines when nobody takes them.

    Args:
        secrets: What is never kept, beside tokens and the queries of addresses.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._secrets = tuple(secrets)
        self._lines: deque[tuple[int, LogLine]] = deque(maxlen=_KEPT_LINES)
        self._last = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line; the lock of the handler is held."""
        try:
            line = LogLine(
                at=datetime.fromtimestamp(record.created, UTC),
                level=record.levelname[:16],
                text=_shortened(redacted(self.format(record), self._secrets)),
            )
        except Exception:  # noqa: BLE001 - whatever a record does, the work goes on
            self.handleError(record)
            return
        self._last += 1
        self._lines.append((self._last, line))

    def waiting(self) -> Batch:
        """Return the oldest lines that were not forgotten, as many as a report takes."""
        with self._locked():
            taken = [entry for entry, _ in zip(self._lines, range(MAX_LOG_LINES), strict=False)]
        return Batch([line for _, line in taken], taken[-1][0] if taken else 0)

    def forget(self, batch: Batch) -> None:
        """Forget the lines of a batch, and what came before."""
        with self._locked():
            while self._lines and self._lines[0][0] <= batch.last:
                self._lines.popleft()

    def _locked(self) -> AbstractContextManager[object]:
        assert self.lock is not None  # noqa: S101 - every handler has one
        return self.lock


@contextmanager
def keeping_log(secrets: Iterable[str]) -> Iterator[LogBuffer]:
    """Keep what this process logs."""
    buffer = LogBuffer(secrets)
    logging.getLogger().addHandler(buffer)
    try:
        yield buffer
    finally:
        logging.getLogger().removeHandler(buffer)


def _shortened(text: str) -> str:
    """Keep the beginning and the end: a message, and the end of a traceback."""
    if len(text) <= MAX_LOG_TEXT:
        return text
    half = (MAX_LOG_TEXT - len(_CUT)) // 2
    return f"{text[:half]}{_CUT}{text[-half:]}"
