"""The name of a remote file: from `Content-Disposition` (RFC 6266, RFC 5987), or from its URL."""

import re
import unicodedata
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import unquote, unquote_to_bytes

import httpx

_MAX_BYTES: Final = 255
_PARAMETER: Final = re.compile(r';\s*(?P<name>[\w-]+\*?)\s*=\s*(?:"(?P<quoted>(?:\\.|[^"\\])*)"|(?P<plain>[^;"\s]+))')
_EXTENDED: Final = re.compile(r"(?P<charset>utf-8|iso-8859-1)'[^']*'(?P<text>.*)", re.IGNORECASE)
_FALLBACK: Final = "download"


def filename_of(disposition: str | None, asked: httpx.URL, final: httpx.URL) -> str:
    """Return a name without folders, of at most 255 bytes. The URL that was asked for goes before a redirect's."""
    by_header = safe_name(_disposition_name(disposition or ""))
    if by_header:
        return by_header
    by_path = [safe_name(unquote(url.path.rpartition("/")[2])) for url in (asked, final)]
    with_suffix = [name for name in by_path if PurePosixPath(name).suffix]
    return next(filter(None, (*with_suffix, *by_path)), _FALLBACK)


def safe_name(text: str) -> str:
    """Return the last part of a path without what no file name should hold; empty when nothing is left."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", text))[-1]
    kept = "".join(letter for letter in last if unicodedata.category(letter)[0] != "C").strip(" .")
    stem, suffix = PurePosixPath(kept).stem, PurePosixPath(kept).suffix[:32]
    while len((stem + suffix).encode()) > _MAX_BYTES:
        stem = stem[:-1]
    return stem + suffix if kept else ""


def _disposition_name(header: str) -> str:
    parameters: dict[str, str] = {}
    for found in _PARAMETER.finditer(header[:4000]):
        quoted = found["quoted"]
        value = found["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        parameters.setdefault(found["name"].lower(), value)
    extended = _EXTENDED.fullmatch(parameters.get("filename*", ""))
    if extended is not None:
        return unquote_to_bytes(extended["text"]).decode(extended["charset"].lower(), "replace")
    return parameters.get("filename", "")
