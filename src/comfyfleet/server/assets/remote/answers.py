"""Reads what an answer's status and headers say of the file."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

import httpx

from comfyfleet.server.assets.remote.errors import RemoteNotAFile, RemoteRefused, RemoteWrongLength
from comfyfleet.server.assets.remote.tokens import Tokens, hint_about_token
from comfyfleet.server.assets.remote.urls import shown

_RANGE: Final = re.compile(r"bytes (?:(?P<start>\d{1,18})-(?P<end>\d{1,18})|\*)/(?P<total>\d{1,18}|\*)")
_SIGN_IN: Final = frozenset({401, 403, 407})
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_PAGES: Final = frozenset({"text/html", "application/xhtml+xml"})
_PAGE_SUFFIXES: Final = frozenset({".html", ".htm", ".xhtml"})
_PAGE_STARTS: Final = (b"<!doctype html", b"<html")


class Passing(Exception):
    """An answer that another try may turn into a better one. `wait_seconds` is what the host asks for."""

    def __init__(self, what: str, wait_seconds: float = 0.0) -> None:
        super().__init__(what)
        self.wait_seconds = wait_seconds


@dataclass(frozen=True)
class Place:
    """Which bytes of the file an answer holds: from `start` on, of `total` in all (None: not said)."""

    start: int
    total: int | None


def check_status(response: httpx.Response, asked: httpx.URL, tokens: Tokens) -> None:
    """Let answers with bytes pass.

    Raises:
        Passing: The host is busy.
        RemoteRefused: It will not give the file, or has none.
    """
    status = response.status_code
    if status in {200, 206, 416}:
        return
    if status in _PASSING:
        raise Passing(f"the host answers {status}", _retry_after(response))
    if status in _SIGN_IN:
        raise RemoteRefused(f"{shown(asked)} asks for a sign-in ({status}).", hint=hint_about_token(tokens, asked))
    if status in {404, 410}:
        raise RemoteRefused(f"There is nothing at {shown(asked)} ({status}).", hint="Check the URL.")
    raise RemoteRefused(f"The host of {shown(asked)} answers {status}.", hint="Open the URL in a browser.")


def place_of(response: httpx.Response, asked: httpx.URL) -> Place:
    """Return which bytes the answer holds; raise `RemoteWrongLength` when it contradicts itself."""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise RemoteWrongLength(
            f"{shown(asked)} comes packed, though it was asked for as it is.", hint="Give another URL of the file."
        )
    length = response.headers.get("Content-Length")
    if response.status_code == 200:
        return Place(0, int(length) if length is not None else None)
    found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if found is None or (response.status_code == 206) != (found["start"] is not None):
        raise RemoteWrongLength(f"{shown(asked)} answers with a part that it does not name.", hint="Try another URL.")
    total = None if found["total"] == "*" else int(found["total"])
    return Place(int(found["start"] or 0), total)


def check_is_file(response: httpx.Response, head: bytes, filename: str, asked: httpx.URL, tokens: Tokens) -> None:
    """Raise `RemoteNotAFile` for a page, such as one to sign in, where a file was meant."""
    suffix = PurePosixPath(filename).suffix.lower()
    media_type = content_type_of(response)
    begins_as_page = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGE_STARTS)
    if (media_type in _PAGES or begins_as_page) and suffix not in _PAGE_SUFFIXES:
        raise RemoteNotAFile(
            f"{shown(asked)} gives a web page and no file, perhaps one to sign in.",
            hint=hint_about_token(tokens, asked),
        )
    if media_type == "application/json" and suffix != ".json" and head.lstrip()[:1] in {b"{", b"["}:
        raise RemoteNotAFile(
            f"{shown(asked)} gives a message of the host's and no file.", hint=hint_about_token(tokens, asked)
        )


def content_type_of(response: httpx.Response) -> str:
    """Return the media type without its parameters."""
    text: str = response.headers.get("Content-Type", "")
    return text.partition(";")[0].strip().lower()[:200]


def validator_of(response: httpx.Response) -> str:
    """Return what `If-Range` may hold: a strong ETag, or else a date; empty for neither."""
    etag: str = response.headers.get("ETag", "")
    if etag.startswith('"'):
        return etag
    date: str = response.headers.get("Last-Modified", "")
    return date


def _retry_after(response: httpx.Response) -> float:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0.0
