"""The stand-in's files: `input`, `output` and `temp` below one folder, and nothing outside of them."""

import os
import posixpath
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from comfyfleet.core.errors import Invalid

KINDS: Final = ("input", "output", "temp")

_LONGEST_NAME: Final = 255
_LONGEST_PATH: Final = 2048
"""In bytes. File systems take names this long; a path has to leave room for the base folder."""

_MARK: Final = re.compile(r"^(?P<name>.*?) ?\[(?P<kind>input|output|temp)\]$")


class OutsideFolder(Invalid):
    """A path leads out of the folder that it is relative to."""

    code = "outside_folder"


class BadName(OutsideFolder):
    """No file can have this name, so there is none inside either."""

    code = "bad_file_name"


@dataclass(frozen=True)
class SavedFile:
    """A place for a new output: the path, and how the API names it."""

    path: Path
    subfolder: str

    def reference(self) -> dict[str, str]:
        """Return what history and events say of the file; `/view` takes the same three values."""
        return {"filename": self.path.name, "subfolder": self.subfolder, "type": "output"}


class Folders:
    """The folders below `base`, which are made if they are missing."""

    def __init__(self, base: Path) -> None:
        self.base = base.resolve()
        for kind in KINDS:
            self.of(kind).mkdir(parents=True, exist_ok=True)

    def of(self, kind: str) -> Path:
        """Return the folder of a kind (`input`, `output` or `temp`)."""
        return self.base / kind

    def inside(self, kind: str, relative: str) -> Path:
        """Return the path of `relative` in the folder of a kind.

        Raises:
            OutsideFolder: It leads out of that folder.
            BadName: No file can be called that.
        """
        if not _can_be(relative):
            raise BadName("No file can have this name.", hint="Give a shorter name, of characters that can be shown.")
        folder = self.of(kind)
        path = (folder / relative).resolve()
        if not path.is_relative_to(folder):
            raise OutsideFolder(f"'{relative}' leads out of the {kind} folder.", hint="Name a file inside of it.")
        return path

    def named(self, name: str, kind: str = "input") -> Path:
        """Return the path of a file as a node names it: `sub/clip.mp4`, or `clip.mp4 [output]`."""
        bare, marked = split_mark(name)
        return self.inside(marked or kind, bare)

    def files(self, relative: str, *, deep: bool = False) -> list[str]:
        """Return the names of the files in a folder below the base, sorted; none if there is no such folder."""
        folder = self.base / relative
        found = folder.rglob("*") if deep else folder.glob("*")
        return sorted(path.relative_to(folder).as_posix() for path in found if path.is_file())

    def next_output(self, prefix: str, ending: str, *, width: int = 1, height: int = 1) -> SavedFile:
        """Return the next free place for an output of this prefix, its folder made.

        Args:
            prefix: `sub/name`; may hold `%width%`, `%height%` and `%year%` to `%second%`.
            ending: What follows the counter, such as `_.png`.
            width: Of the picture, in pixels.
            height: Of the picture, in pixels.

        Raises:
            OutsideFolder: The prefix leads out of the output folder.
        """
        # Split first: an empty name is the folder itself, and what is written beside that is outside.
        parent, name = posixpath.split(posixpath.normpath(_fill(prefix, width, height)))
        folder = self.inside("output", parent)
        folder.mkdir(parents=True, exist_ok=True)
        counter = 1 + max(_counters(folder, name), default=0)
        subfolder = folder.relative_to(self.of("output")).as_posix()
        return SavedFile(folder / f"{name}_{counter:05}{ending}", "" if subfolder == "." else subfolder)


def split_mark(name: str) -> tuple[str, str | None]:
    """Split `clip.mp4 [output]` into the name and the kind of folder, which is None where none is named."""
    match = _MARK.match(name)
    return (match["name"], match["kind"]) if match else (name, None)


def _can_be(relative: str) -> bool:
    try:
        encoded = os.fsencode(relative)
    except UnicodeEncodeError:
        return False
    is_short = len(encoded) <= _LONGEST_PATH and all(len(part) <= _LONGEST_NAME for part in encoded.split(b"/"))
    return is_short and b"\0" not in encoded


def _fill(prefix: str, width: int, height: int) -> str:
    now = time.localtime()
    values = {
        "width": str(width),
        "height": str(height),
        "year": f"{now.tm_year}",
        "month": f"{now.tm_mon:02}",
        "day": f"{now.tm_mday:02}",
        "hour": f"{now.tm_hour:02}",
        "minute": f"{now.tm_min:02}",
        "second": f"{now.tm_sec:02}",
    }
    return re.sub(r"%(\w+)%", lambda match: values.get(match[1], match[0]), prefix)


def _counters(folder: Path, name: str) -> list[int]:
    pattern = re.compile(re.escape(name) + r"_(\d+)")
    matches = (pattern.match(path.name) for path in folder.iterdir())
    return [int(match[1]) for match in matches if match]
