"""Files to and from signed URLs: streamed, with progress, never held in memory."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import httpx
from pydantic import ValidationError

from comfyfleet.client.errors import Refused
from comfyfleet.client.transport import unreachable
from comfyfleet.core.errors import Conflict, Unavailable
from comfyfleet.protocol.api import UploadTicket
from comfyfleet.protocol.envelope import Refusal

CHUNK_BYTES: Final = 256 * 1024
_TRIES: Final = 3

OnBytes = Callable[[int, int | None], None]
"""Called with the bytes that were moved so far, and all of them if that is known."""


class TransferFailed(Unavailable):
    """Storage did not take or give a file."""

    code = "transfer_failed"


class FileChanged(Conflict):
    """A file became shorter or longer while it was uploaded."""

    code = "file_changed"


def send_file(http: httpx.Client, ticket: UploadTicket, path: Path, size: int, on_bytes: OnBytes) -> None:
    """PUT `size` bytes of `path` with exactly the ticket's headers; a broken connection is tried again.

    Raises:
        Refused: The control plane's storage refused. TransferFailed: Another storage did.
        FileChanged: The file no longer has `size` bytes. Unreachable: Nothing answers.
    """
    headers = httpx.Headers(ticket.headers)
    headers["Content-Length"] = str(size)
    for remaining in reversed(range(_TRIES)):
        with path.open("rb") as file:
            try:
                response = http.put(ticket.put_url, headers=headers, content=_chunks(file, path, size, on_bytes))
            except httpx.TransportError as error:
                if remaining == 0:
                    raise unreachable(error, _place(ticket.put_url)) from error
            else:
                _check(response)
                return


def fetch_file(http: httpx.Client, url: str, target: Path, on_bytes: OnBytes) -> None:
    """GET `url` into `target`, which appears when it is whole and replaces what was there.

    Raises:
        Refused: The control plane's storage refused. TransferFailed: Another storage did.
        Unreachable: Nothing answers, or the connection broke.
    """
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with draft.open("xb") as file:
            _receive(http, url, file, on_bytes)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _receive(http: httpx.Client, url: str, file: BinaryIO, on_bytes: OnBytes) -> None:
    try:
        with http.stream("GET", url) as response:
            if not response.is_success:
                response.read()
                _check(response)
            length = response.headers.get("Content-Length", "")
            total = int(length) if length.isdigit() else None
            for chunk in response.iter_bytes(CHUNK_BYTES):
                file.write(chunk)
                on_bytes(response.num_bytes_downloaded, total)
    except httpx.TransportError as error:
        raise unreachable(error, _place(url)) from error


def _chunks(file: BinaryIO, path: Path, size: int, on_bytes: OnBytes) -> Iterator[bytes]:
    sent = 0
    while sent < size:
        chunk = file.read(min(CHUNK_BYTES, size - sent))
        if not chunk:
            raise changed(path, "shorter")
        yield chunk
        sent += len(chunk)
        on_bytes(sent, size)
    if file.read(1):
        raise changed(path, "longer")


def changed(path: Path, how: str) -> FileChanged:
    """Return the error of a file that became `how` while it was uploaded."""
    return FileChanged(f"{path} became {how} while it was uploaded.", hint="Wait until it is whole, then try again.")


def _check(response: httpx.Response) -> None:
    if response.is_success:
        return
    try:
        refusal = Refusal.model_validate_json(response.content)
    except ValidationError as error:
        raise TransferFailed(
            f"Storage at {_place(str(response.request.url))} answered {response.status_code}.",
            hint="The signed address may have expired: try again.",
        ) from error
    raise Refused(response.status_code, refusal.error.code, refusal.message, refusal.error.hint)


def _place(url: str) -> str:
    parsed = httpx.URL(url)
    return f"{parsed.scheme}://{parsed.netloc.decode()}"
