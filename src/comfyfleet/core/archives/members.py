"""What an archive says is in it: checked names, and counters that run on real bytes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from comfyfleet.core.archives.limits import ArchiveLimits
from comfyfleet.core.archives.refusal import ArchiveRefused, Reason
from comfyfleet.core.errors import FleetError
from comfyfleet.core.paths import check_relative_path, collision_key

_MAC_FOLDER: Final = "__MACOSX"
_MAC_FILE: Final = ".DS_Store"

Read = Callable[[int], bytes]


@dataclass(frozen=True)
class Member:
    """One thing of an archive. `path` is relative and safe; `link` is the path that a link stands for.

    `size` is what the archive claims, in bytes; what `read` gives is what counts.
    """

    path: str
    is_folder: bool
    size: int = 0
    is_executable: bool = False
    link: str | None = None
    read: Read | None = None


class ArchiveReader(Protocol):
    """Yields the members of one archive in their order; each is read before the next is asked for."""

    def members(self) -> Iterator[Member]:
        """Yield them; raise `ArchiveRefused` for what is broken or must not be."""
        ...


class NameCheck:
    """Sees that no two members are one file on some file system, and that no file is also a folder."""

    def __init__(self, limits: ArchiveLimits) -> None:
        self._limits = limits
        self._kinds: dict[str, tuple[str, bool]] = {}
        self._files: set[str] = set()
        self._count = 0

    def check(self, path: str, *, is_folder: bool) -> None:
        """Take note of a member; raise `ArchiveRefused` when it cannot be beside the others."""
        self._count += 1
        if self._count > self._limits.max_members:
            raise ArchiveRefused(Reason.TOO_MANY, f"it has more than {self._limits.max_members:,} members")
        parts = path.split("/")
        if len(parts) > self._limits.max_depth:
            raise ArchiveRefused(Reason.PATH, f"{path[:120]!r} is more than {self._limits.max_depth} folders deep")
        for length in range(1, len(parts)):
            self._note("/".join(parts[:length]), is_folder=True)
        self._note(path, is_folder=is_folder)

    def _note(self, path: str, *, is_folder: bool) -> None:
        key = collision_key(path)
        present = self._kinds.setdefault(key, (path, is_folder))
        if present[0] != path:
            raise ArchiveRefused(
                Reason.COLLISION, f"{path[:120]!r} and {present[0][:120]!r} are one name on some disks"
            )
        if present[1] != is_folder:
            raise ArchiveRefused(Reason.COLLISION, f"{path[:120]!r} is both a file and a folder")
        if is_folder:
            return
        if key in self._files:
            raise ArchiveRefused(Reason.COLLISION, f"{path[:120]!r} is in it twice")
        self._files.add(key)


def safe_path(name: str) -> str | None:
    """Return a member's name as a safe path, or None for the archive's own top and for what a Mac leaves behind."""
    path = name
    while path.startswith("./"):
        path = path[2:]
    path = path.rstrip("/") if not path.startswith("/") else path
    first, last = path.partition("/")[0], path.rpartition("/")[2]
    if path in {"", "."} or first == _MAC_FOLDER or last == _MAC_FILE:
        return None
    try:
        return check_relative_path(path, "name in the archive")
    except FleetError as error:
        raise ArchiveRefused(Reason.PATH, error.message.rstrip(".")) from error


def link_target(path: str, target: str) -> str:
    """Return the path in the archive that a link at `path` stands for; raise `ArchiveRefused` if it leaves it."""
    if target.startswith("/") or "\\" in target:
        raise ArchiveRefused(Reason.LINK, f"{path[:120]!r} links to {target[:120]!r}")
    parts = path.split("/")[:-1]
    for part in target.split("/"):
        if part in {"", "."}:
            continue
        if part != "..":
            parts.append(part)
        elif parts:
            parts.pop()
        else:
            raise ArchiveRefused(Reason.LINK, f"{path[:120]!r} links to {target[:120]!r}, outside the archive")
    return "/".join(parts)
