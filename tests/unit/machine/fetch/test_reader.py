"""Ranges over HTTP, from servers of all kinds. What fails and is tried again is tested on whole applies."""

import mmap
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from comfyfleet.cloud.ports import ObjectPlace
from comfyfleet.machine.errors import ObjectMissing, SourceRefused, SourceUnavailable, WrongBytes
from comfyfleet.machine.fetch.reader import Interrupted, RangeReader, patiently


@dataclass
class Host:
    """A server that sends what it is told to: a status, headers and a body."""

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    asked: list[str | None] = field(default_factory=list)
    connections: set[int] = field(default_factory=set)

    def answers(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.status, self.body = status, body
        self.headers = {"Content-Length": str(len(body)), **{n.replace("_", "-"): v for n, v in headers.items()}}

    def locate(self, key: str) -> ObjectPlace:
        return ObjectPlace(url=f"{self.url}/{key}?signed=yes")


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            host.asked.append(self.headers.get("Range"))
            host.connections.add(self.client_address[1])
            self.send_response(host.status)
            for name, value in host.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(host.body)

        def log_message(self, *_parts: object) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    host.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield host
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def reader(host: Host) -> Iterator[RangeReader]:
    reader = RangeReader(host, idle_seconds=5)
    yield reader
    reader.close()


def read(reader: RangeReader, start: int, length: int, total: int) -> bytes:
    buffer = mmap.mmap(-1, 4096)
    reader.read_range("k", start, length, total, buffer)
    return buffer[:length]


def test_a_range_is_asked_for_and_a_whole_object_without_one(host: Host, reader: RangeReader) -> None:
    host.answers(206, b"cde", Content_Range="bytes 2-4/10")
    assert read(reader, 2, 3, 10) == b"cde"
    host.answers(200, b"whole")
    assert read(reader, 0, 5, 5) == b"whole"
    assert host.asked == ["bytes=2-4", None]
    assert len(host.connections) == 1, "the connection stays open"


def test_a_body_in_chunks_is_read(host: Host, reader: RangeReader) -> None:
    host.answers(206, b"2\r\ncd\r\n1\r\ne\r\n0\r\n\r\n", Content_Range="bytes 2-4/10", Transfer_Encoding="chunked")
    del host.headers["Content-Length"]
    assert read(reader, 2, 3, 10) == b"cde"
    host.answers(200, b"5\r\nsmall\r\n0\r\n\r\n", Transfer_Encoding="chunked")
    del host.headers["Content-Length"]
    assert reader.read_small("k") == b"small"


@pytest.mark.parametrize("total", ["9", "11"])
def test_an_object_of_another_size_is_refused(total: str, host: Host, reader: RangeReader) -> None:
    host.answers(206, b"cde", Content_Range=f"bytes 2-4/{total}")
    with pytest.raises(WrongBytes, match=f"{total} bytes in the store, and 10"):
        read(reader, 2, 3, 10)
    host.answers(200, b"x" * int(total))
    with pytest.raises(WrongBytes, match=f"{total} bytes in the store, and 10"):
        read(reader, 0, 10, 10)


@pytest.mark.parametrize("body", [b"", b"cd", b"cdef"])
def test_an_answer_of_another_length_is_tried_again_on_a_new_connection(
    body: bytes, host: Host, reader: RangeReader
) -> None:
    host.answers(206, body, Content_Range="bytes 2-4/10")
    with pytest.raises(Interrupted, match=f"the answer has {len(body)} of 3 bytes"):
        read(reader, 2, 3, 10)
    host.answers(206, b"cde", Content_Range="bytes 2-4/10")
    assert read(reader, 2, 3, 10) == b"cde"
    assert len(host.connections) == 2


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        (400, Interrupted),
        (401, SourceRefused),
        (403, SourceRefused),
        (404, ObjectMissing),
        (429, Interrupted),
        (500, Interrupted),
        (503, Interrupted),
        (301, SourceRefused),
        (307, SourceRefused),
    ],
)
def test_every_refusal_has_its_meaning(status: int, problem: type[Exception], host: Host, reader: RangeReader) -> None:
    host.answers(status, b"<Error/>", x_amz_bucket_region="eu-west-3")
    reads: list[Callable[[], object]] = [
        lambda: read(reader, 2, 3, 10),
        lambda: reader.read_small("k"),
        lambda: reader.size_of("k"),
    ]
    for one in reads:
        with pytest.raises(problem) as caught:
            one()
        assert (status in {301, 307}) == ("eu-west-3" in str(caught.value))


def test_a_server_without_ranges_is_told(host: Host, reader: RangeReader) -> None:
    host.answers(200, b"0123456789")
    with pytest.raises(SourceUnavailable, match="does not know ranges"):
        read(reader, 2, 3, 10)


def test_the_size_comes_from_the_first_byte(host: Host, reader: RangeReader) -> None:
    host.answers(206, b"c", Content_Range="bytes 0-0/123456789012")
    assert reader.size_of("k") == 123456789012
    host.answers(416, b"<Error/>", Content_Range="bytes */0")
    assert reader.size_of("k") == 0
    host.answers(200, b"whole")
    assert reader.size_of("k") == 5
    host.answers(206, b"c", Content_Range="bytes 0-0/*")
    with pytest.raises(SourceUnavailable, match="does not tell the size"):
        reader.size_of("k")


def test_a_small_object_that_is_cut_is_not_taken_for_whole(host: Host, reader: RangeReader) -> None:
    host.answers(200, b"half", Content_Length="8", Connection="close")
    with pytest.raises(Interrupted):
        reader.read_small("k")


def test_patience_ends_after_some_tries() -> None:
    tries: list[int] = []

    def fail() -> str:
        tries.append(1)
        raise Interrupted("no")

    with pytest.raises(SourceUnavailable, match="cannot be read: no"):
        patiently(fail, "k", pause_seconds=0)
    assert len(tries) == 5

    def succeed_late() -> str:
        return "here" if len(tries) > 6 else fail()

    assert patiently(succeed_late, "k", pause_seconds=0) == "here"
