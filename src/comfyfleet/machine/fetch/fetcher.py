"""The engine: a few threads, a fixed pool of buffers, and ranges that are handed out in order.

SHA-256 goes through an object from its beginning, so one object keeps one core busy. A few objects (lanes) are brought
at a time, by turns: as many as there are cores to hash them. Within an object ranges are handed out in order, so the
range that its hash waits for always has a buffer already, and a pool larger than the number of threads suffices.
"""

import mmap
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from comfyfleet.cloud.ports import ObjectSource
from comfyfleet.machine.errors import SourceUnavailable, WrongBytes
from comfyfleet.machine.fetch.buffers import BufferPool
from comfyfleet.machine.fetch.partial import PartialFile
from comfyfleet.machine.fetch.reader import Interrupted, RangeReader
from comfyfleet.machine.fetch.stream import ObjectStream

_BUFFERS: Final = 12
_CONNECTIONS: Final = 8
_TRIES: Final = 6
_PAUSE_SECONDS: Final = 0.2


@dataclass(frozen=True)
class Fetch:
    """An object to bring: its digest, where the store keeps it, and its size in bytes."""

    sha256: str
    key: str
    size: int


@dataclass(frozen=True)
class _Range:
    fetch: Fetch
    partial: PartialFile
    stream: ObjectStream
    index: int
    is_present: bool


class Fetcher:
    """Brings objects into a folder, each under its digest, when its bytes have been found right."""

    def __init__(
        self,
        source: ObjectSource,
        folder: Path,
        *,
        connections: int = _CONNECTIONS,
        on_bytes: Callable[[int], None] = lambda _count: None,
        on_whole: Callable[[Fetch, Path], None] = lambda _fetch, _path: None,
        pause_seconds: float = _PAUSE_SECONDS,
        idle_seconds: float = 20.0,
    ) -> None:
        self._source = source
        self._folder = folder
        self._connections = connections
        self._on_bytes = on_bytes
        self._on_whole = on_whole
        self._pause_seconds = pause_seconds
        self._idle_seconds = idle_seconds
        self._run: _Run | None = None

    def stop(self, error: BaseException) -> None:
        """End a `run` that goes on in another thread; it raises this error. What has come stays."""
        if self._run is not None:
            self._run.end(error)

    def run(self, fetches: Iterable[Fetch]) -> None:
        """Bring all objects. What has come of an object stays for the next run, whatever happens.

        Raises:
            WrongBytes: An object's bytes are not those of its digest, twice.
            SourceUnavailable: A range did not come after several tries.
            ObjectMissing, SourceRefused, DiskFull, DiskRefuses: As they say.
        """
        wrong = self._run_once(list(fetches))
        if wrong:
            wrong = self._run_once(wrong)
        if wrong:
            raise WrongBytes(
                f"The store's '{wrong[0].key}' is not what its name says: its digest is another one.",
                hint="Delete that object and add the asset again.",
            )

    def _run_once(self, fetches: list[Fetch]) -> list[Fetch]:
        """Return those whose bytes were wrong; they are forgotten, so that they come anew."""
        pool = BufferPool(max(_BUFFERS, self._connections + 2))
        run = self._run = _Run(self._folder, fetches, pool, lanes=min(self._connections, os.cpu_count() or 1))
        threads = [
            threading.Thread(target=self._work, args=(run,), name=f"fetch-{number}", daemon=True)
            for number in range(self._connections)
        ]
        for thread in threads:
            thread.start()
        try:
            _join(threads)
        finally:
            run.end()
            _join(threads)  # what they are writing is written, and counts in the next run
            run.close_all()
        if run.problem is not None:
            raise run.problem
        return run.wrong

    def _work(self, run: "_Run") -> None:
        reader = RangeReader(self._source, idle_seconds=self._idle_seconds)
        try:
            while self._bring_next(run, reader):
                pass
        except BaseException as error:  # noqa: BLE001 - carried to the thread that waits, which raises it
            run.end(error)
        finally:
            reader.close()

    def _bring_next(self, run: "_Run", reader: RangeReader) -> bool:
        buffer = run.pool.take()
        item = None if buffer is None else run.next_range()
        if buffer is None or item is None:
            if buffer is not None:
                run.pool.give_back(buffer)
            return False
        if item.is_present:
            item.partial.read_into(item.index, buffer)
        else:
            self._read(run, reader, item, buffer)
            item.partial.write(item.index, buffer)
        self._on_bytes(item.partial.length_of(item.index))
        if item.stream.arrived(item.index, buffer):
            self._end(run, item)
        return True

    def _read(self, run: "_Run", reader: RangeReader, item: _Range, buffer: mmap.mmap) -> None:
        start, length = item.partial.offset_of(item.index), item.partial.length_of(item.index)
        if length == 0:
            return
        for attempt in range(1, _TRIES + 1):
            try:
                reader.read_range(item.fetch.key, start, length, item.fetch.size, buffer)
            except Interrupted as error:
                if attempt == _TRIES or run.is_over:
                    raise SourceUnavailable(
                        f"'{item.fetch.key}' cannot be read: {error}.",
                        hint="Run it again: what has come is kept, and the rest is fetched.",
                    ) from error
                time.sleep(self._pause_seconds * 2 ** (attempt - 1))
            else:
                return

    def _end(self, run: "_Run", item: _Range) -> None:
        is_right = item.stream.digest() == item.fetch.sha256
        if is_right:
            item.partial.finish()
        else:
            item.partial.discard()
            run.wrong.append(item.fetch)
        run.close(item.partial)
        if is_right:
            self._on_whole(item.fetch, item.partial.path)


class _Run:
    """What the threads of one run share."""

    def __init__(self, folder: Path, fetches: list[Fetch], pool: BufferPool, *, lanes: int) -> None:
        self.pool = pool
        self.wrong: list[Fetch] = []
        self.problem: BaseException | None = None
        self.is_over = False
        self._folder = folder
        self._open: set[PartialFile] = set()
        self._ranges = self._all_ranges(fetches, lanes)
        self._lock = threading.Lock()

    def next_range(self) -> _Range | None:
        """Return the next range to bring, or None when all are handed out."""
        with self._lock:
            return next(self._ranges, None)

    def end(self, error: BaseException | None = None) -> None:
        """Let no thread begin anything new; the first problem counts."""
        with self._lock:
            self.problem = self.problem or error
            self.is_over = True
        self.pool.close()

    def close(self, partial: PartialFile) -> None:
        """Close a file that is through."""
        with self._lock:
            self._open.discard(partial)
        partial.close()

    def close_all(self) -> None:
        """Close what a run that broke off has left open."""
        for partial in self._open:
            partial.close()

    def _all_ranges(self, fetches: list[Fetch], lanes: int) -> Iterator[_Range]:
        """Yield the ranges of all objects, of up to `lanes` objects by turns."""
        waiting, active = iter(fetches), deque[Iterator[_Range]]()
        while True:
            active.extend(self._ranges_of(fetch) for fetch in islice(waiting, lanes - len(active)))
            if not active:
                return
            lane = active.popleft()
            item = next(lane, None)
            if item is not None:
                active.append(lane)
                yield item

    def _ranges_of(self, fetch: Fetch) -> Iterator[_Range]:
        partial = PartialFile(self._folder / fetch.sha256, fetch.size)
        self._open.add(partial)
        stream = ObjectStream(partial, self.pool.give_back)
        present = partial.present()
        for index in range(partial.range_count):
            yield _Range(fetch, partial, stream, index, bool(present[index]))


def _join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join()
