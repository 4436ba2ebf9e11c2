"""Sends the parts of an upload by a few threads, from a few buffers that go round."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import httpx

from comfyfleet.client.asset_signing import PartedUpload, PartSigner, PutPart, SignParts
from comfyfleet.client.errors import Refused, Unreachable
from comfyfleet.client.patience import may_pass
from comfyfleet.client.transfers import CHUNK_BYTES, TransferFailed

_BUFFERED_BYTES: Final = 128 * 2**20
_STOP_SECONDS: Final = 2.0
_AGAIN: Final = frozenset({403, 408, 425, 429, 500, 502, 503, 504})  # 403: the signature may have expired


@dataclass(frozen=True)
class Sending:
    """How parts are sent: over how many connections at most, and how often each is tried.

    The pause before the next try doubles from `pause_seconds` to `longest_pause_seconds`: half a minute in all.
    """

    connections: int = 4
    tries: int = 8
    pause_seconds: float = 0.5
    longest_pause_seconds: float = 8.0


class PartSender:
    """Sends parts while the caller reads the next ones. Memory is that of its buffers: 128 MiB, or two parts if larger.

    Leaving the `with` block waits for what is on its way; an error of a thread is raised there, or by `take_buffer`.
    Leaving it by an error drops what is on its way.
    """

    def __init__(
        self,
        upload: PartedUpload,
        sign: SignParts,
        put: PutPart,
        on_done: Callable[[int], None],
        how: Sending | None = None,
    ) -> None:
        self._put = put
        self._upload = upload
        self._how = how or Sending()
        self._signer = PartSigner(sign, upload)
        self._tally = _Tally(on_done)
        self._problem: BaseException | None = None
        self._is_over = threading.Event()
        self._free: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        self._filled: queue.SimpleQueue[tuple[int, bytearray] | None] = queue.SimpleQueue()
        # One buffer is read into, one waits to be sent, the rest are on their way.
        buffers = max(2, min(self._how.connections + 2, _BUFFERED_BYTES // upload.part_size))
        for _ in range(buffers):
            self._free.put(bytearray(min(upload.part_size, upload.size)))
        self._threads = [
            threading.Thread(target=self._work, name=f"part-sender-{number}", daemon=True)
            for number in range(max(1, buffers - 2))
        ]

    @property
    def sent_bytes(self) -> int:
        """How many bytes of parts were sent and taken."""
        return self._tally.sent_bytes

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _ in self._threads:
            self._filled.put(None)
        if error is not None:
            self._stop()
            return
        try:
            for thread in self._threads:
                thread.join()
        except BaseException:  # Ctrl-C while the last parts are on their way
            self._stop()
            raise
        self._raise_problem()

    def take_buffer(self) -> bytearray:
        """Return a buffer of a part's size; wait until one is free."""
        while True:
            self._raise_problem()
            try:
                return self._free.get(timeout=0.2)
            except queue.Empty:
                continue

    def send(self, number: int, buffer: bytearray) -> None:
        """Let a part be sent; the buffer is not the caller's any more."""
        self._filled.put((number, buffer))

    def skip(self, number: int, buffer: bytearray) -> None:
        """Count a part that the store has already."""
        self._free.put(buffer)
        self._tally.skip(part_length(self._upload, number))

    def _stop(self) -> None:
        self._is_over.set()
        until = time.monotonic() + _STOP_SECONDS
        for thread in self._threads:  # one that hangs in the network ends with the process
            thread.join(max(0.0, until - time.monotonic()))

    def _work(self) -> None:
        while (item := self._filled.get()) is not None and not self._is_over.is_set():
            number, buffer = item
            try:
                self._send(number, memoryview(buffer)[: part_length(self._upload, number)])
            except BaseException as error:  # noqa: BLE001 - carried to the caller's thread, which raises it
                self._problem = self._problem or error
                self._is_over.set()
                return
            self._free.put(buffer)

    def _send(self, number: int, content: memoryview) -> None:
        reason, pause = "", self._how.pause_seconds
        for attempt in range(self._how.tries):
            if attempt:
                self._is_over.wait(pause)
                pause = min(pause * 2, self._how.longest_pause_seconds)
            problem = self._try(number, content)
            if problem is None:
                self._tally.keep(number, len(content))
                return
            self._tally.drop(number)
            reason = problem
        raise self._failed(number, reason)

    def _try(self, number: int, content: memoryview) -> str | None:
        """Send a part once; return why it has to be sent again, or None."""
        try:
            part = self._signer.url_of(number)
            response = self._put(part, self._pieces(number, content))
        except httpx.TransportError as error:
            return f"the connection failed ({str(error) or type(error).__name__})"
        except (Refused, Unreachable) as error:
            if not may_pass(error):
                raise
            return str(error)
        if response.is_success:
            return None
        reason = f"storage answered {response.status_code}"
        if response.status_code not in _AGAIN:
            raise self._failed(number, reason)
        return reason

    def _pieces(self, number: int, content: memoryview) -> Iterator[bytes]:
        for start in range(0, len(content), CHUNK_BYTES):
            if self._is_over.is_set():
                raise _Dropped
            piece = bytes(content[start : start + CHUNK_BYTES])
            yield piece
            self._tally.add(number, len(piece))

    def _failed(self, number: int, reason: str) -> TransferFailed:
        return TransferFailed(
            f"Part {number} of '{self._upload.filename}' could not be sent: {reason}.",
            hint="What was sent is kept: run the same command again to go on.",
        )

    def _raise_problem(self) -> None:
        if self._problem is not None:
            raise self._problem


def part_length(upload: PartedUpload, number: int) -> int:
    """Return the bytes of part `number`, counted from 1; only the last one may be shorter."""
    return min(upload.part_size, upload.size - (number - 1) * upload.part_size)


class _Dropped(Exception):
    """The upload is over, so the part that is on its way is not wanted."""


class _Tally:
    """Counts bytes: of parts that are there, and of those on their way, which may have to be sent again."""

    def __init__(self, on_done: Callable[[int], None]) -> None:
        self.sent_bytes = 0
        self._skipped_bytes = 0
        self._on_way: dict[int, int] = {}
        self._on_done = on_done
        self._lock = threading.Lock()

    def add(self, number: int, count: int) -> None:
        with self._lock:
            self._on_way[number] = self._on_way.get(number, 0) + count
            self._on_done(self.sent_bytes + self._skipped_bytes + sum(self._on_way.values()))

    def keep(self, number: int, count: int) -> None:
        with self._lock:
            self._on_way.pop(number, None)
            self.sent_bytes += count

    def drop(self, number: int) -> None:
        with self._lock:
            self._on_way.pop(number, None)

    def skip(self, count: int) -> None:
        with self._lock:
            self._skipped_bytes += count
            self._on_done(self.sent_bytes + self._skipped_bytes + sum(self._on_way.values()))
