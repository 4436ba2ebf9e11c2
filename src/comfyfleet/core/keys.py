"""Keys and content types of objects: what is a safe one."""

import re
import unicodedata
from typing import Final

from comfyfleet.core.errors import Conflict, Invalid, NotFound

MAX_KEY_BYTES: Final = 1024
MAX_SEGMENT_BYTES: Final = 255
_CONTENT_TYPE: Final = re.compile(r"[A-Za-z0-9.+_-]+/[A-Za-z0-9.+_-]+( ?; ?[A-Za-z0-9-]+=[ !#-\[\]-~]+)*")


class InvalidKey(Invalid):
    """The key could reach outside its store, or no store can keep it."""

    code = "invalid_key"


class ObjectNotFound(NotFound):
    """There is no object of this key."""

    code = "object_not_found"


class WrongSize(Invalid):
    """More or fewer bytes came than were announced."""

    code = "wrong_size"


class PartsMissing(Conflict):
    """An upload cannot be completed: parts of it have not arrived."""

    code = "parts_missing"


def check_key(key: str) -> str:
    """Return `key`; raise `InvalidKey` unless it is relative, `/`-separated, and safe as a path on any system."""
    if not key or len(key.encode("utf-8", "surrogatepass")) > MAX_KEY_BYTES:
        raise _refuse(key, f"is empty or longer than {MAX_KEY_BYTES} bytes")
    if "\\" in key or any(unicodedata.category(character) == "Cc" for character in key):
        raise _refuse(key, "holds a backslash or a control character")
    if any("\ud800" <= character <= "\udfff" for character in key):
        raise _refuse(key, "is no valid Unicode")
    for segment in key.split("/"):
        if segment in {"", ".", ".."}:
            raise _refuse(key, "holds an empty segment, '.' or '..'")
        if len(segment.encode()) > MAX_SEGMENT_BYTES:
            raise _refuse(key, f"holds a segment longer than {MAX_SEGMENT_BYTES} bytes")
    return key


def check_content_type(content_type: str) -> str:
    """Return `content_type`; raise `Invalid` unless it can be sent as a header's value."""
    if len(content_type) > 255 or not _CONTENT_TYPE.fullmatch(content_type):
        raise Invalid(f"{content_type[:80]!r} is no content type.", hint="Write it like video/mp4.")
    return content_type


def _refuse(key: str, why: str) -> InvalidKey:
    return InvalidKey(f"The key {key[:80]!r} {why}.", hint="Use a relative path of plain names.")
