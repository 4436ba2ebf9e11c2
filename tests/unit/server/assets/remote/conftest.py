"""A host on this machine that answers what a test tells it to, over plain sockets, so that it can break off."""

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network

import pytest

from comfyfleet.server.assets.remote import Guard, Patience

PATIENT = Patience(tries=4, pause_seconds=0.001, idle_seconds=2.0)
LOCAL = [ip_network("127.0.0.0/8")]


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    path: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Reply:
    """An answer. `cut_after`: the connection ends after so many bytes of the body. `length`: what it claims to have."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut_after: int | None = None
    length: int | None = None
    is_chunked: bool = False
    is_silent: bool = False
    hangs: bool = False


Answers = Callable[[Asked], Reply]


@dataclass
class Host:
    """Set `answers`; look at `asked`."""

    port: int = 0
    connections: int = 0
    asked: list[Asked] = field(default_factory=list)
    answers: Answers = lambda _: Reply(404)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def guard(self) -> Guard:
        return Guard(LOCAL)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                line, *lines = head.strip().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
                asked = Asked(line.split(" ")[1], headers)
                self.asked.append(asked)
                reply = self.answers(asked)
                if not reply.is_silent:
                    writer.write(_bytes_of(reply))
                    await writer.drain()
                if reply.hangs:
                    await reader.read()
                if reply.is_silent or reply.hangs or reply.cut_after is not None:
                    break
        writer.close()


def _bytes_of(reply: Reply) -> bytes:
    length = len(reply.body) if reply.length is None else reply.length
    framing = {"Transfer-Encoding": "chunked"} if reply.is_chunked else {"Content-Length": str(length)}
    lines = [f"{name}: {value}" for name, value in {**framing, **reply.headers}.items() if value]
    head = "\r\n".join([f"HTTP/1.1 {reply.status} x", *lines, "", ""]).encode("latin-1")
    body = reply.body[: reply.cut_after]
    if reply.is_chunked:
        body = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
        body += b"" if reply.cut_after is not None else b"0\r\n\r\n"
    return head + body


def ranged(asked: Asked, content: bytes, etag: str = '"one"', **headers: str) -> Reply:
    """Answer as a good host does, with ranges and an ETag."""
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", asked.headers.get("range", ""))
    named = {"ETag": etag, **headers}
    if found is None or asked.headers.get("if-range", etag) != etag:
        return Reply(200, named, content)
    start = int(found[1])
    part = content[start : int(found[2]) + 1 if found[2] else None]
    named["Content-Range"] = f"bytes {start}-{start + len(part) - 1}/{len(content)}"
    return Reply(206, named, part)


@contextlib.asynccontextmanager
async def serving(answers: Answers | None = None, tls: ssl.SSLContext | None = None) -> AsyncIterator[Host]:
    """Run a host for a while."""
    host = Host()
    if answers is not None:
        host.answers = answers
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0, ssl=tls)
    host.port = server.sockets[0].getsockname()[1]
    async with server:
        yield host


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    """A host on a free port of this machine."""
    async with serving() as running:
        yield running


def resolving(**answers: Sequence[str]) -> Callable[[str, int], "asyncio.Future[Sequence[str]]"]:
    """Return a resolver that knows these names, `_` standing for a dot; a name's answers are given in turn."""
    given = {name.replace("_", "."): list(texts) for name, texts in answers.items()}

    def resolve(name: str, _port: int) -> "asyncio.Future[Sequence[str]]":
        answer = asyncio.get_running_loop().create_future()
        texts = given.get(name, [])
        answer.set_result(texts.pop(0).split() if len(texts) > 1 else texts[0].split() if texts else [])
        return answer

    return resolve
