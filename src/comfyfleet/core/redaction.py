"""Texts as they may be shown: what opens something is taken out."""

import re
from collections.abc import Iterable
from typing import Final

TAKEN_OUT: Final = "…"

_USER_OF_URL: Final = re.compile(r"(?<=://)[^\s/?#@\"']+@")
_QUERY: Final = re.compile(r"(?<=[\w/.~%)-])\?[^\s=?]*=[^\s\"'<>]*")
_TOKEN: Final = re.compile(r"\bcf[a-z]_[A-Za-z0-9_-]{16,}")
_CREDENTIALS: Final = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{16,}")


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text without tokens, the queries and users of addresses, and `secrets` that are known by heart.

    A signed address opens an object for whoever reads it, and only its query does so.
    """
    for secret in secrets:
        text = text.replace(secret, TAKEN_OUT)
    text = _USER_OF_URL.sub("", text)
    text = _QUERY.sub("", text)
    text = _TOKEN.sub(TAKEN_OUT, text)
    return _CREDENTIALS.sub(rf"\1 {TAKEN_OUT}", text)
