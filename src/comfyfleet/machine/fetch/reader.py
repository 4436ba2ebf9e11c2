"""Reads ranges of objects, from a file or over HTTP; one reader a thread, its connections stay open."""

import contextlib
import http.client
import mmap
import ssl
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, TypeVar
from urllib.parse import SplitResult, urlsplit

from comfyfleet.cloud.ports import ObjectSource
from comfyfleet.core.errors import FleetError
from comfyfleet.machine.errors import ObjectMissing, SourceRefused, SourceUnavailable, WrongBytes

_IDLE_SECONDS: Final = 20.0  # no byte for so long is a stall
_RANGE_SECONDS: Final = 180.0  # a range that drips in is given up after this
_MAX_SMALL: Final = 64 * 2**20
_TRIES: Final = 5

Address = tuple[str, str]
Answer = TypeVar("Answer")


class Interrupted(Exception):
    """A range did not come whole; trying again can help."""


class RangeReader:
    """Reads from one source. Not for use by two threads at once."""

    def __init__(self, source: ObjectSource, *, idle_seconds: float = _IDLE_SECONDS) -> None:
        self._source = source
        self._idle_seconds = idle_seconds
        self._connections: dict[Address, http.client.HTTPConnection] = {}

    def read_range(self, key: str, start: int, length: int, total: int, buffer: mmap.mmap) -> None:
        """Fill the buffer's beginning with `length` bytes of an object that has `total` bytes.

        Raises:
            Interrupted: Fewer bytes came, or none; try again.
            ObjectMissing: There is no such object.
            SourceRefused: We may not read it.
            WrongBytes: The object has another size.
        """
        place = self._source.locate(key)
        with memoryview(buffer) as view:
            if place.path is not None:
                _read_file(str(place.path), key, start, view[:length], total)
            else:
                self._read_url(place.url or "", key, start, view[:length], total)

    def read_small(self, key: str) -> bytes:
        """Return an object whole; raise as `read_range`."""
        place = self._source.locate(key)
        if place.path is not None:
            try:
                return place.path.read_bytes()
            except FileNotFoundError:
                raise _missing(key) from None
        with self._response(place.url or "", {}) as response:
            self._check_status(response, key, {200})
            promised = response.length
            content = response.read(_MAX_SMALL + 1)
            if promised is not None and len(content) < min(promised, _MAX_SMALL + 1):
                raise Interrupted(f"the answer ended after {len(content)} of {promised} bytes")
        if len(content) > _MAX_SMALL:
            raise WrongBytes(f"'{key}' has more than {_MAX_SMALL:,} bytes.", hint="It is not what it should be.")
        return content

    def size_of(self, key: str) -> int:
        """Return an object's size in bytes, by asking for its first byte; raise as `read_range`."""
        place = self._source.locate(key)
        if place.path is not None:
            try:
                return place.path.stat().st_size
            except FileNotFoundError:
                raise _missing(key) from None
        with self._response(place.url or "", {"Range": "bytes=0-0"}) as response:
            self._check_status(response, key, {206, 200, 416})
            response.read(1)
            if response.status == 200:
                return int(response.getheader("Content-Length") or 0)
            return _total_of(response, key)

    def close(self) -> None:
        """Close all connections."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def _read_url(self, url: str, key: str, start: int, view: memoryview, total: int) -> None:
        length = len(view)
        headers = {} if length == total else {"Range": f"bytes={start}-{start + length - 1}"}
        with self._response(url, headers) as response:
            self._check_status(response, key, {206 if headers else 200})
            found = _total_of(response, key) if headers else response.length
            if found not in {total, None}:
                raise WrongBytes(f"'{key}' has {found} bytes in the store, and {total} in the manifest.", hint=_REWRITE)
            if response.length not in {length, None}:
                raise Interrupted(f"the answer has {response.length} of {length} bytes")
            _receive(response, view)

    def _response(self, url: str, headers: dict[str, str]) -> "_Exchange":
        parts = urlsplit(url)
        return _Exchange(self, parts, headers)

    def connection_to(self, parts: SplitResult) -> http.client.HTTPConnection:
        """Return the open connection to a URL's host, or a new one."""
        address = (parts.scheme, parts.netloc)
        if address not in self._connections:
            if parts.scheme == "https":
                connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                    parts.hostname or "", parts.port, timeout=self._idle_seconds, context=ssl.create_default_context()
                )
            else:
                connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=self._idle_seconds)
            self._connections[address] = connection
        return self._connections[address]

    def drop(self, parts: SplitResult) -> None:
        """Close the connection to a URL's host: what comes next on it would be the rest of the last answer."""
        connection = self._connections.pop((parts.scheme, parts.netloc), None)
        if connection is not None:
            connection.close()

    def _check_status(self, response: http.client.HTTPResponse, key: str, wanted: set[int]) -> None:
        if response.status in wanted:
            return
        raise _refusal(response, key)


def patiently(read: Callable[[], Answer], key: str, *, pause_seconds: float = 0.5) -> Answer:
    """Return what `read` returns; try again a few times when the store does not answer.

    Raises:
        SourceUnavailable: It did not, all the time.
    """
    for attempt in range(_TRIES - 1):
        with contextlib.suppress(Interrupted):
            return read()
        time.sleep(pause_seconds * 2**attempt)
    try:
        return read()
    except Interrupted as error:
        raise SourceUnavailable(
            f"'{key}' cannot be read: {error}.", hint="Look at the endpoint and the network."
        ) from error


class _Exchange:
    """One request and its answer. A connection whose answer was not read to its end is closed."""

    def __init__(self, reader: RangeReader, parts: SplitResult, headers: dict[str, str]) -> None:
        self._reader = reader
        self._parts = parts
        self._headers = headers
        self._response: http.client.HTTPResponse | None = None

    def __enter__(self) -> http.client.HTTPResponse:
        connection = self._reader.connection_to(self._parts)
        target = f"{self._parts.path}?{self._parts.query}" if self._parts.query else self._parts.path
        try:
            connection.request("GET", target, headers={"Accept-Encoding": "identity", **self._headers})
            self._response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self._reader.drop(self._parts)
            raise Interrupted(f"the connection failed: {str(error) or type(error).__name__}") from error
        return self._response

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._response is None or not self._response.isclosed():
            self._reader.drop(self._parts)
        if isinstance(error, OSError | http.client.HTTPException) and not isinstance(error, FleetError):
            raise Interrupted(f"the connection broke: {str(error) or type(error).__name__}") from error


def _receive(response: http.client.HTTPResponse, view: memoryview) -> None:
    # One call of the system at a time, so that the clock is seen even when bytes only drip in.
    read = response.readinto if response.chunked else response.fp.readinto1
    deadline = time.monotonic() + _RANGE_SECONDS
    done = 0
    while done < len(view):
        count = read(view[done:])
        if not count:
            raise Interrupted(f"the answer ended after {done} of {len(view)} bytes")
        done += count
        if time.monotonic() > deadline:
            raise Interrupted(f"only {done} of {len(view)} bytes came in {_RANGE_SECONDS:.0f} s")
    if not response.chunked:
        response.close()  # read to its end: the connection is free for the next request


def _read_file(path: str, key: str, start: int, view: memoryview, total: int) -> None:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a Path costs more than the read of a small file
            found = file.seek(0, 2)
            if found != total:
                raise WrongBytes(f"'{key}' has {found} bytes in the store, and {total} in the manifest.", hint=_REWRITE)
            file.seek(start)
            done = 0
            while done < len(view):
                count = file.readinto(view[done:])
                if not count:
                    raise Interrupted("the file became shorter")
                done += count
    except FileNotFoundError:
        raise _missing(key) from None


_REWRITE: Final = "Write the bundle again, or mend the store: `comfyfleet assets show` tells what it should be."


def _total_of(response: http.client.HTTPResponse, key: str) -> int:
    # "bytes 0-0/123", or "bytes */0" beside 416 for an empty object
    total = (response.getheader("Content-Range") or "").rpartition("/")[2]
    if not total.isdigit():
        raise SourceUnavailable(f"The store does not tell the size of '{key}'.", hint="Does it know ranges?")
    return int(total)


def _missing(key: str) -> ObjectMissing:
    return ObjectMissing(f"The store has no '{key}'.", hint="Add the asset again, or write the bundle without it.")


def _refusal(response: http.client.HTTPResponse, key: str) -> Exception:
    status = response.status
    if status == 404:
        return _missing(key)
    if status in {401, 403}:
        return SourceRefused(
            f"The store refuses '{key}' with {status}.", hint="Look at the machine's role, its keys, and its clock."
        )
    if status in {301, 307}:
        region = response.getheader("x-amz-bucket-region") or "another region"
        return SourceRefused(f"The bucket is in {region}.", hint="Set AWS_DEFAULT_REGION to it.")
    if status == 200:
        return SourceUnavailable("The store does not know ranges.", hint="Use one that does.")
    return Interrupted(f"the store answered {status}")
