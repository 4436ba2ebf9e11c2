"""Opens a URL and streams its file; a connection that breaks is made again where it broke off."""

import asyncio
import contextlib
import hashlib
import logging
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Final, NoReturn

import httpx

from comfyfleet.server.assets.remote.answers import (
    Passing,
    Place,
    check_is_file,
    check_status,
    content_type_of,
    place_of,
    validator_of,
)
from comfyfleet.server.assets.remote.errors import (
    RemoteChanged,
    RemoteNotAFile,
    RemoteTooLarge,
    RemoteUnavailable,
    RemoteWrongLength,
)
from comfyfleet.server.assets.remote.filenames import filename_of
from comfyfleet.server.assets.remote.guard import Guard
from comfyfleet.server.assets.remote.hops import Answer, Hops, new_client
from comfyfleet.server.assets.remote.tokens import Tokens
from comfyfleet.server.assets.remote.urls import file_url, shown

log = logging.getLogger(__name__)

PIECE_BYTES: Final = 2**20
_HEAD_BYTES: Final = 512
_COUNTED_PIECE_BYTES: Final = 64 * 2**10
_MOST_COUNTED_BYTES: Final = 256 * 2**20
_PROGRESS_BYTES: Final = 2**20
_LONGEST_WAIT_SECONDS: Final = 60.0
_RETRIED: Final = (httpx.TransportError, httpx.StreamError, Passing)


@dataclass(frozen=True)
class Patience:
    """How long one goes on: tries without a MiB of progress, the first pause, and silence that counts as broken."""

    tries: int = 6
    pause_seconds: float = 0.5
    idle_seconds: float = 30.0


@dataclass(frozen=True)
class RemoteFile:
    """A file at a URL. `sha256` is the digest that the host names, `etag` what tells whether it is still the same."""

    url: str
    filename: str
    size: int
    content_type: str
    etag: str
    sha256: str | None
    _reader: "_Reader"

    def stream(self, offset: int = 0) -> AsyncGenerator[bytes]:
        """Yield the bytes from `offset` to the end, in pieces of at most 1 MiB, and exactly as many as there are.

        Whoever stops early closes it (`contextlib.aclosing`).

        Raises:
            RemoteChanged: The file is another one by now.
            RemoteWrongLength: The host gives more bytes than it said.
            RemoteUnavailable: It broke off too often.
            RemoteRefused, RemoteUrlRefused, RemoteAddressRefused: It gives the file no longer, or from elsewhere.
        """
        return self._reader.stream(self, offset)


@contextlib.asynccontextmanager
async def open_remote(
    url: str,
    *,
    guard: Guard,
    tokens: Tokens,
    max_bytes: int,
    patience: Patience | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[RemoteFile]:
    """Find out what file a URL gives, and yield it to be read.

    Pages of Hugging Face and Civitai that stand for a file are understood. `tls` replaces the usual authorities.

    Raises:
        RemoteUrlRefused, RemoteAddressRefused: We do not read that.
        RemoteRefused, RemoteNotAFile: The host gives no file; the hint tells about tokens.
        RemoteTooLarge: It has more than `max_bytes`.
        RemoteWrongLength: The host does not say how many bytes there are.
        RemoteUnavailable: It cannot be reached.
    """
    asked = file_url(url)
    patience = patience or Patience()
    async with new_client(guard, idle_seconds=patience.idle_seconds, tls=tls) as client:
        yield await _Reader(Hops(client, asked, tokens), tokens, patience).look(max_bytes)


class _Reader:
    def __init__(self, hops: Hops, tokens: Tokens, patience: Patience) -> None:
        self._hops = hops
        self._tokens = tokens
        self._patience = patience

    async def look(self, max_bytes: int) -> RemoteFile:
        failures = 0
        while True:
            try:
                async with self._hops.get({"Range": f"bytes=0-{_HEAD_BYTES - 1}"}) as answer:
                    return await self._describe(answer, max_bytes)
            except _RETRIED as error:
                failures += 1
                await self._pause(error, failures)

    async def stream(self, file: RemoteFile, offset: int) -> AsyncGenerator[bytes]:
        done, failures = offset, 0
        while done < file.size:
            begun = done
            try:
                async with contextlib.aclosing(self._pieces(file, done)) as pieces:
                    async for piece in pieces:
                        done += len(piece)
                        yield piece
                if done < file.size:
                    raise Passing("the host ended the file too early")
            except (*_RETRIED, RemoteUnavailable) as error:  # a name that was known comes back
                failures = 1 if done - begun >= _PROGRESS_BYTES else failures + 1
                log.info("reading %s broke off at %d of %d bytes", shown(self._hops.url), done, file.size)
                await self._pause(error, failures)

    async def _describe(self, answer: Answer, max_bytes: int) -> RemoteFile:
        response, asked = answer.response, self._hops.url
        check_status(response, asked, self._tokens)
        filename = filename_of(response.headers.get("Content-Disposition"), asked, response.url)
        place = place_of(response, asked)
        body = _Body() if response.status_code == 416 else await _read_body(answer, place, asked, max_bytes)
        check_is_file(response, body.head, filename, asked, self._tokens)
        return RemoteFile(
            url=str(asked),
            filename=filename,
            size=_check_size(body.counted if place.total is None else place.total, answer, asked, max_bytes),
            content_type=content_type_of(response),
            etag=validator_of(response),
            sha256=answer.linked_sha256 or body.sha256,
            _reader=self,
        )

    async def _pieces(self, file: RemoteFile, offset: int) -> AsyncGenerator[bytes]:
        headers = {"Range": f"bytes={offset}-"}
        if file.etag and offset:
            headers["If-Range"] = file.etag
        async with self._hops.get(headers) as answer:
            check_status(answer.response, self._hops.url, self._tokens)
            place = place_of(answer.response, self._hops.url)
            self._check_same(file, answer, place, offset)
            skipped, left = offset - place.start, file.size - offset
            async for piece in answer.response.aiter_raw(PIECE_BYTES):
                kept = piece[skipped:] if skipped else piece
                skipped -= len(piece) - len(kept)
                left -= len(kept)
                if left < 0:
                    raise RemoteWrongLength(
                        f"{shown(self._hops.url)} gives more than the {file.size:,} bytes that it named.",
                        hint="Try again, or download the file and use `comfyfleet assets add`.",
                    )
                if kept:
                    yield kept

    def _check_same(self, file: RemoteFile, answer: Answer, place: Place, offset: int) -> None:
        """See that an answer belongs to the file that was looked at; one that begins earlier is skipped into."""
        pairs = [
            (file.size, place.total),
            (file.etag, validator_of(answer.response)),
            (file.sha256, answer.linked_sha256),
        ]
        if answer.response.status_code == 416 or any(old and new and old != new for old, new in pairs):
            raise RemoteChanged(
                f"{shown(self._hops.url)} has changed since the reading began.", hint="Begin the import again."
            )
        if place.start not in {0, offset}:
            raise RemoteWrongLength(f"{shown(self._hops.url)} gives other bytes than asked for.", hint="Try again.")

    async def _pause(self, error: Exception, failures: int) -> None:
        if failures >= self._patience.tries:
            self._give_up(error)
        wanted = error.wait_seconds if isinstance(error, Passing) else 0.0
        pause = max(wanted, self._patience.pause_seconds * 2 ** (failures - 1))
        await asyncio.sleep(min(pause, _LONGEST_WAIT_SECONDS))

    def _give_up(self, error: Exception) -> NoReturn:
        if isinstance(error, RemoteUnavailable):
            raise error
        what = str(error)[:200] or type(error).__name__
        raise RemoteUnavailable(
            f"{shown(self._hops.url)} cannot be read: {what}.", hint="Try again later; what has come is kept."
        ) from error


@dataclass(frozen=True)
class _Body:
    head: bytes = b""
    counted: int = 0
    sha256: str | None = None


async def _read_body(answer: Answer, place: Place, asked: httpx.URL, max_bytes: int) -> _Body:
    """Read the beginning; and all of a body whose length is not said (GitHub's archives) to count and hash it."""
    must_count = place.total is None
    if must_count and answer.response.headers.get("Transfer-Encoding", "").lower() != "chunked":
        raise RemoteWrongLength(
            f"The host of {shown(asked)} does not say how many bytes the file has.",
            hint="Download the file and use `comfyfleet assets add`.",
        )
    head, counted, digest = b"", 0, hashlib.sha256()
    async for piece in answer.response.aiter_raw(_COUNTED_PIECE_BYTES if must_count else _HEAD_BYTES):
        head = head or piece[:_HEAD_BYTES]
        if not must_count:
            return _Body(head)
        counted += len(piece)
        digest.update(piece)
        if counted > min(max_bytes, _MOST_COUNTED_BYTES):
            raise RemoteTooLarge(
                f"The host of {shown(asked)} does not say how many bytes the file has, and it has many.",
                hint="Download the file and use `comfyfleet assets add`.",
            )
    return _Body(head, counted, digest.hexdigest() if must_count else None)


def _check_size(size: int, answer: Answer, asked: httpx.URL, max_bytes: int) -> int:
    if answer.linked_size not in {size, None}:
        raise RemoteWrongLength(
            f"{shown(asked)} has {size:,} bytes, and {answer.linked_size:,} were announced.", hint="Try again later."
        )
    if size == 0:
        raise RemoteNotAFile(f"The file at {shown(asked)} is empty.", hint="Check the URL.")
    if size > max_bytes:
        raise RemoteTooLarge(
            f"The file has {size:,} bytes, and imports may have {max_bytes:,}.", hint="Raise IMPORT_MAX_BYTES."
        )
    return size
