"""Sends the parts of an upload by a few threads, from a few buffers that go round."""

import queue
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

import httpx

from comfyfleet.client.library import LibraryPlane
from comfyfleet.client.transfers import TransferFailed
from comfyfleet.protocol.library import MAX_SIGNED_PARTS, AssetUploadView, SignedPart

_THREADS: Final = 4
_BUFFERED_BYTES: Final = 128 * 2**20
_TRIES: Final = 6
_PAUSE_SECONDS: Final = 0.5
_SIGNED_AHEAD: Final = 32
_AGAIN: Final = frozenset({403, 408, 425, 429, 500, 502, 503, 504})  # 403: the signature may have expired


class PartSender:
    """Sends parts while the caller reads the next ones. Memory is that of its buffers: about 128 MiB, or two parts.

    Leaving the `with` block waits for what is on its way; an error of a thread is raised by the next call.
    """

    def __init__(self, plane: LibraryPlane, upload: AssetUploadView, on_sent: Callable[[int], None]) -> None:
        self.sent_bytes = 0
        self._plane = plane
        self._upload = upload
        self._on_sent = on_sent
        self._done_bytes = 0
        count = max(2, min(_THREADS + 2, _BUFFERED_BYTES // upload.part_size))
        size = min(upload.part_size, upload.size)
        self._free: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        for _ in range(count):
            self._free.put(bytearray(size))
        self._filled: queue.SimpleQueue[tuple[int, bytearray] | None] = queue.SimpleQueue()
        self._signed: dict[int, SignedPart] = {}
        self._lock = threading.Lock()
        self._problem: BaseException | None = None
        self._is_over = threading.Event()
        names = range(max(1, count - 2))
        self._threads = [threading.Thread(target=self._work, name=f"part-{name}", daemon=True) for name in names]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._is_over.set()
        for _ in self._threads:
            self._filled.put(None)
        for thread in self._threads:
            thread.join()
        if error is None:
            self._raise_problem()

    def take_buffer(self) -> bytearray:
        """Return a buffer for the next part; wait until one is free."""
        while True:
            self._raise_problem()
            try:
                return self._free.get(timeout=0.5)
            except queue.Empty:
                continue

    def send(self, number: int, buffer: bytearray) -> None:
        """Let a part be sent; the buffer is not the caller's any more."""
        self._filled.put((number, buffer))

    def skip(self, number: int, buffer: bytearray) -> None:
        """Count a part that the store has already."""
        self._free.put(buffer)
        self._count(self._size_of(number), is_sent=False)

    def _work(self) -> None:
        while (item := self._filled.get()) is not None:
            number, buffer = item
            if self._is_over.is_set():
                continue
            try:
                self._put(number, memoryview(buffer)[: self._size_of(number)])
            except BaseException as error:  # noqa: BLE001 - carried to the caller's thread, which raises it
                self._problem = self._problem or error
                self._is_over.set()
                continue
            self._count(self._size_of(number), is_sent=True)
            self._free.put(buffer)

    def _put(self, number: int, content: memoryview) -> None:
        reason = ""
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(_PAUSE_SECONDS * 2 ** (attempt - 1))
            try:
                response = self._plane.put_part(self._signed_part(number, is_new=attempt > 0), content)
            except httpx.TransportError as error:
                reason = str(error) or type(error).__name__
                continue
            if response.is_success:
                return
            reason = f"storage answered {response.status_code}"
            if response.status_code not in _AGAIN:
                break
        raise TransferFailed(
            f"Part {number} of '{self._upload.filename}' could not be sent: {reason}.",
            hint="Run the same command again: it goes on with what is missing.",
        )

    def _signed_part(self, number: int, *, is_new: bool) -> SignedPart:
        with self._lock:
            if is_new or number not in self._signed:
                received = set(self._upload.received)
                ahead = range(number, min(number + _SIGNED_AHEAD, self._upload.part_count + 1))
                wanted = [one for one in ahead if one == number or one not in received][:MAX_SIGNED_PARTS]
                for part in self._plane.sign_parts(self._upload.upload_id, wanted):
                    self._signed[part.number] = part
            return self._signed.pop(number)

    def _count(self, size: int, *, is_sent: bool) -> None:
        with self._lock:
            self._done_bytes += size
            self.sent_bytes += size if is_sent else 0
            self._on_sent(self._done_bytes)

    def _size_of(self, number: int) -> int:
        return min(self._upload.part_size, self._upload.size - (number - 1) * self._upload.part_size)

    def _raise_problem(self) -> None:
        if self._problem is not None:
            raise self._problem
