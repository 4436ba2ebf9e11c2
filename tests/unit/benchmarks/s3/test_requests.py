"""Requests, as they come over a connection."""

import contextlib
import socket
from collections.abc import Iterator

import pytest
from benchmarks.s3.requests import RequestInvalid, RequestReader, parse_head


@contextlib.contextmanager
def reader_of(sent: bytes) -> Iterator[RequestReader]:
    """Yield a reader of a connection on which `sent` came and nothing follows."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            theirs.sendall(sent)
        yield RequestReader(ours)


def test_two_requests_on_a_connection_are_read_one_by_one() -> None:
    sent = b"GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nxyzHEAD /b?c=%20d HTTP/1.1\r\n\r\n"
    with reader_of(sent) as reader:
        first, second, none = reader.next(), reader.next(), reader.next()
    assert first is not None
    assert second is not None
    assert (first.method, first.path, first.headers["host"]) == ("GET", "/a", "h")
    assert (second.method, second.query) == ("HEAD", {"c": " d"})
    assert none is None


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /a HTTP/1.1\r\nHost",
        b"GET /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nx",
        b"GET /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"x" * 70_000,
    ],
)
def test_what_does_not_end_is_refused(sent: bytes) -> None:
    with reader_of(sent) as reader, pytest.raises(RequestInvalid):
        reader.next()


@pytest.mark.parametrize("head", [b"GET /a", b"GET a HTTP/1.1", b"GET /a HTTP/1.1\r\nnothing", b"\r\n"])
def test_what_is_no_request_is_refused(head: bytes) -> None:
    with pytest.raises(RequestInvalid):
        parse_head(head)


def test_headers_of_one_name_are_joined() -> None:
    assert parse_head(b"GET / HTTP/1.1\r\nA: 1\r\na: 2").headers == {"a": "1,2"}
