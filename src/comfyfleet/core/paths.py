"""Relative paths that stay where they are told to, on every file system."""

import re
import unicodedata
from typing import Final

from comfyfleet.core.errors import Invalid

MAX_PATH_BYTES: Final = 1024
MAX_SEGMENT_BYTES: Final = 255
_DRIVE: Final = re.compile(r"[A-Za-z]:")


class PathRefused(Invalid):
    """A path could lead outside its folder, or cannot be a file's name."""

    code = "path_refused"


def check_relative_path(path: str, what: str = "path") -> str:
    """Return `path`; raise `PathRefused` unless it is relative, `/`-separated, and names something below its folder."""
    if not path or len(path.encode("utf-8", "surrogatepass")) > MAX_PATH_BYTES:
        raise _refuse(path, what, f"is empty or longer than {MAX_PATH_BYTES} bytes")
    if path.startswith("/") or _DRIVE.match(path):
        raise _refuse(path, what, "is absolute")
    if "\\" in path or any(unicodedata.category(character) in {"Cc", "Cs"} for character in path):
        raise _refuse(path, what, "holds a backslash or a control character")
    for segment in path.split("/"):
        if segment in {"", ".", ".."}:
            raise _refuse(path, what, "holds an empty segment, '.' or '..'")
        if len(segment.encode()) > MAX_SEGMENT_BYTES:
            raise _refuse(path, what, f"holds a name longer than {MAX_SEGMENT_BYTES} bytes")
    return path


def collision_key(path: str) -> str:
    """Return what two paths share when some file system takes them for one: case and Unicode form do not count."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _refuse(path: str, what: str, why: str) -> PathRefused:
    return PathRefused(
        f"The {what} {path[:120]!r} {why}.", hint="Use a relative path such as models/loras/a.safetensors."
    )
