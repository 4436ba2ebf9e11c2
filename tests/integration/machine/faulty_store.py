"""A small S3-like server over a folder of objects, which misbehaves as a test tells it to. It checks no signature."""

import contextlib
import http.server
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

BUCKET: Final = "models"
_BLOCK: Final = 2**18
_PATIENCE_SECONDS: Final = 60.0


class Fault(StrEnum):
    """How an answer goes wrong."""

    CUT = "cut"
    """The connection ends after `at` bytes of the body."""
    WRONG = "wrong"
    """The byte at `at` of the body is another one."""
    SHORT = "short"
    """The body ends after `at` bytes, and its length says so."""
    STALL = "stall"
    """After `at` bytes nothing comes any more."""
    BUSY = "busy"
    """503, as S3 answers under load."""
    EXPIRED = "expired"
    """403, as S3 answers to a signature that is too old."""


@dataclass(frozen=True)
class Asked:
    """A request for bytes of an object; `number` counts those for the same range of the same object from 1 on."""

    key: str
    start: int
    length: int
    number: int

    @property
    def is_asset(self) -> bool:
        return self.key.startswith("assets/")


@dataclass(frozen=True)
class Misfortune:
    fault: Fault
    at: int = 0


Temper = Callable[[Asked], Misfortune | None]


@dataclass
class FaultyStore:
    """`temper` decides what goes wrong; without one all goes well. `served` are the requests for assets."""

    data: Path
    url: str = ""
    temper: Temper | None = None
    served: list[Asked] = field(default_factory=list)
    hold_after: int | None = None
    _counts: dict[tuple[str, int], int] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _is_closed: bool = False

    @property
    def source(self) -> dict[str, str]:
        """The environment of a machine that reads from here."""
        return {
            "MODELS_BUCKET": BUCKET,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "k",
            "AWS_SECRET_ACCESS_KEY": "s",
        }

    @property
    def served_bytes(self) -> int:
        return sum(asked.length for asked in self.served)

    def begin_anew(self, temper: Temper | None = None) -> None:
        """Forget what was served, let go whoever waits, and misbehave in another way or no longer."""
        with self._changed:
            self.temper, self.hold_after = temper, None
            self.served.clear()
            self._counts.clear()
            self._changed.notify_all()

    def wait_until_served(self, count: int) -> None:
        """Return when so many requests for assets have come."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        with self._changed:
            while len(self.served) < count:
                assert self._changed.wait(deadline - time.monotonic()), f"{len(self.served)} of {count} requests came"

    def ask(self, key: str, start: int, length: int) -> Misfortune | None:
        """Note a request; while the store holds, return only when it no longer does."""
        with self._changed:
            number = self._counts[key, start] = self._counts.get((key, start), 0) + 1
            asked = Asked(key, start, length, number)
            if asked.is_asset:
                self.served.append(asked)
                self._changed.notify_all()
                position = len(self.served)
                while self.hold_after is not None and position > self.hold_after and not self._is_closed:
                    self._changed.wait()
            return self.temper(asked) if self.temper else None

    def wait_for_the_end(self, connection: socket.socket) -> None:
        """Say nothing until the other side leaves or the store closes."""
        connection.settimeout(0.05)
        while not self._is_closed:
            with contextlib.suppress(TimeoutError):
                if not connection.recv(1):
                    return

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()


@contextlib.contextmanager
def faulty_store(folder: Path) -> Iterator[FaultyStore]:
    """Serve the folder of a disk store on a free port."""
    store = FaultyStore(folder / "data")

    class Handler(_Handler):
        faulty = store

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    store.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield store
    finally:
        store.close()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    faulty: FaultyStore
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # the machine was killed
            super().handle()

    def do_GET(self) -> None:
        self._answer(unquote(urlsplit(self.path).path).removeprefix(f"/{BUCKET}/"))

    def log_message(self, *_parts: object) -> None:
        """Keep the tests' output clean."""

    def _answer(self, key: str) -> None:
        path = self.faulty.data / key
        if not path.is_file():
            return self._refuse(404)
        total = path.stat().st_size
        start, end = self._range(total)
        misfortune = self.faulty.ask(key, start, end - start)
        if misfortune is None:
            self._promise(start, end, total, end - start)
            return self._send(path, start, end)
        if misfortune.fault in {Fault.BUSY, Fault.EXPIRED}:
            return self._refuse(503 if misfortune.fault is Fault.BUSY else 403)
        return self._fail(path, start, end, total, misfortune)

    def _fail(self, path: Path, start: int, end: int, total: int, misfortune: Misfortune) -> None:
        at = min(misfortune.at, end - start - 1)
        self._promise(start, end, total, at if misfortune.fault is Fault.SHORT else end - start)
        self._send(path, start, start + at)
        match misfortune.fault:
            case Fault.CUT:
                self.close_connection = True
            case Fault.STALL:
                self.faulty.wait_for_the_end(self.connection)
                self.close_connection = True
            case Fault.WRONG:
                self.wfile.write(bytes([path.read_bytes()[start + at] ^ 1]))
                self._send(path, start + at + 1, end)

    def _range(self, total: int) -> tuple[int, int]:
        asked = self.headers.get("Range", "").removeprefix("bytes=")
        if not asked:
            return 0, total
        first, _, last = asked.partition("-")
        return int(first), min(int(last) + 1, total)

    def _promise(self, start: int, end: int, total: int, length: int) -> None:
        is_part = "Range" in self.headers
        self.send_response(206 if is_part else 200)
        if is_part:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{total}")
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _send(self, path: Path, start: int, end: int) -> None:
        with path.open("rb") as file:
            file.seek(start)
            while start < end:
                block = file.read(min(_BLOCK, end - start))
                self.wfile.write(block)
                start += len(block)

    def _refuse(self, status: int) -> None:
        body = b"<Error><Code>Refused</Code></Error>"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
