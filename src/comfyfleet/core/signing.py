"""Signed URLs of objects on disk: what was signed is exactly what is allowed, until it expires."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from urllib.parse import quote, urlencode

from comfyfleet.core.errors import Forbidden

_VERSION: Final = "1"
_PATH: Final = "/objects"


class SignatureInvalid(Forbidden):
    """The URL was not signed by us, or was signed for something else."""

    code = "signature_invalid"


class SignatureExpired(Forbidden):
    """The URL was valid and no longer is."""

    code = "signature_expired"


@dataclass(frozen=True)
class Grant:
    """What one signed URL allows: a method on a key, with that type and size (of a PUT) or file name (of a GET).

    With `upload` it is a PUT of `size` bytes from `offset` on: part number `part` of that upload.
    """

    method: str
    bucket: str
    key: str
    expires_at: datetime
    content_type: str | None = None
    size: int | None = None
    filename: str | None = None
    upload: str | None = None
    part: int = 0
    offset: int = 0


def sign(grant: Grant, signing_key: bytes) -> str:
    """Return the path and query of a URL that carries a grant."""
    query = {"version": _VERSION, "expires": str(int(grant.expires_at.timestamp()))}
    if grant.content_type is not None:
        query["type"] = grant.content_type
    if grant.size is not None:
        query["size"] = str(grant.size)
    if grant.filename is not None:
        query["filename"] = grant.filename
    if grant.upload is not None:
        query |= {"upload": grant.upload, "part": str(grant.part), "offset": str(grant.offset)}
    query["signature"] = _signature(grant.method, grant.bucket, grant.key, query, signing_key)
    return f"{_PATH}/{quote(grant.bucket, safe='')}/{quote(grant.key)}?{urlencode(query)}"


def verify(method: str, bucket: str, key: str, query: Mapping[str, str], *, signing_key: bytes, now: datetime) -> Grant:
    """Return what a URL allows. A URL signed for GET allows HEAD, too.

    Raises:
        SignatureInvalid: Any part of it was changed, added or left out.
        SignatureExpired: It was right, and its time is over.
    """
    signed_method = "GET" if method == "HEAD" else method
    signed = {name: value for name, value in query.items() if name != "signature"}
    expected = _signature(signed_method, bucket, key, signed, signing_key)
    is_ours = hmac.compare_digest(expected.encode(), query.get("signature", "").encode("utf-8", "replace"))
    if not is_ours or signed.get("version") != _VERSION:
        raise SignatureInvalid("This URL is not valid for this request.", hint="Ask for a new one.")
    expires_at = datetime.fromtimestamp(int(signed["expires"]), UTC)
    if now >= expires_at:
        raise SignatureExpired("This URL has expired.", hint="Ask for a new one.")
    return Grant(
        method=signed_method,
        bucket=bucket,
        key=key,
        expires_at=expires_at,
        content_type=signed.get("type"),
        size=int(signed["size"]) if "size" in signed else None,
        filename=signed.get("filename"),
        upload=signed.get("upload"),
        part=int(signed.get("part", 0)),
        offset=int(signed.get("offset", 0)),
    )


def _signature(method: str, bucket: str, key: str, query: Mapping[str, str], signing_key: bytes) -> str:
    # Every part goes in with its length, so that no two different requests give the same text.
    parts = [method, bucket, key, *(part for pair in sorted(query.items()) for part in pair)]
    text = "".join(f"{len(part)}:{part}," for part in parts)
    return hmac.new(signing_key, text.encode("utf-8", "surrogatepass"), sha256).hexdigest()
