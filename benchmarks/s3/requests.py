"""An HTTP/1.1 request, read from a connection with as little work as Python allows."""

import socket
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote

MAX_HEAD_BYTES: Final = 64 * 2**10
_READ_BYTES: Final = 64 * 2**10


class RequestInvalid(ValueError):
    """What came over the connection is no request that we understand; it is closed."""


@dataclass(frozen=True)
class Request:
    """A request without its body. `target` is as sent; names in `headers` are lower case."""

    method: str
    target: str
    headers: dict[str, str]

    @property
    def path(self) -> str:
        """The path, decoded: `/bucket/key`."""
        return unquote(self.target.partition("?")[0])

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters, decoded; the last of a name counts."""
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @property
    def keeps_alive(self) -> bool:
        """Whether the connection stays open after the answer."""
        return self.headers.get("connection", "").lower() != "close"


class RequestReader:
    """Reads one request after the other from a connection, and throws their bodies away."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray()

    def next(self) -> Request | None:
        """Return the next request, or None when the client closed the connection between two.

        Raises:
            RequestInvalid: It is too long, broken, or ends in the middle.
        """
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise RequestInvalid("the head is too long")
            if not self._receive():
                if self._buffer:
                    raise RequestInvalid("the head ends in the middle")
                return None
        request = parse_head(bytes(self._buffer[:end]))
        del self._buffer[: end + 4]
        self._skip_body(request)
        return request

    def _skip_body(self, request: Request) -> None:
        if "transfer-encoding" in request.headers:
            raise RequestInvalid("bodies in chunks are not read")
        left = int(request.headers.get("content-length", "0"))
        while left > 0:
            if not self._buffer and not self._receive():
                raise RequestInvalid("the body ends in the middle")
            taken = min(left, len(self._buffer))
            del self._buffer[:taken]
            left -= taken

    def _receive(self) -> bool:
        data = self._connection.recv(_READ_BYTES)
        self._buffer += data
        return bool(data)


def parse_head(head: bytes) -> Request:
    """Return the request whose lines, without the empty one at the end, are `head`."""
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[1].startswith("/") or words[2] != "HTTP/1.1":
        raise RequestInvalid(f"no request line: {lines[0][:80]!r}")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise RequestInvalid(f"no header: {line[:80]!r}")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    if not headers.get("content-length", "0").isdigit():
        raise RequestInvalid("the length of the body is no number")
    return Request(words[0], words[1], headers)
