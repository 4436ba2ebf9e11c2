"""Members of an archive, whatever its format: their names checked, alone and against each other."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from comfyfleet.core.archives.limits import ArchiveLimits, too_many
from comfyfleet.core.archives.refusal import ArchiveRefused, Reason
from comfyfleet.core.paths import PathRefused, check_relative_path, collision_key

_MAC_FOLDER: Final = "__MACOSX"
_MAC_FILE: Final = ".DS_Store"
_MAC_PREFIX: Final = "._"

Chunks = Iterator[bytes | memoryview]


@dataclass(frozen=True, slots=True)
class Member:
    """One thing of an archive. `path` is relative and safe; `link` is the path that a link stands for.

    `size` is what the archive claims, in bytes. `chunks` gives a file's bytes, a few hundred KiB at a time, and raises
    `ArchiveRefused` when they are not what the archive claims.
    """

    path: str
    is_folder: bool
    size: int = 0
    is_executable: bool = False
    link: str | None = None
    chunks: Chunks | None = None


class ArchiveReader(Protocol):
    """Yields the members of one archive in the order of their bytes; each is read before the next is asked for."""

    def members(self) -> Iterator[Member]:
        """Yield them; raise `ArchiveRefused` for what is broken or must not be."""
        ...


class _Name:
    """A name as it was met first. A folder has names `below` it."""

    __slots__ = ("below", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.below: dict[str, _Name] | None = None


class NameCheck:
    """Sees that no two members are one file on some file system, and that no file is also a folder.

    Names are kept as a tree: a deep path costs its own segments, not those of all folders above it again.
    """

    def __init__(self, limits: ArchiveLimits) -> None:
        self._limits = limits
        self._top: dict[str, _Name] = {}
        self._count = 0

    def check(self, path: str, *, is_folder: bool) -> None:
        """Take note of a member; raise `ArchiveRefused` when it cannot be beside the others."""
        *folders, last = path.split("/")
        if len(folders) >= self._limits.max_depth:
            raise ArchiveRefused(Reason.PATH, f"is more than {self._limits.max_depth} names deep", path)
        beside = self._top
        for folder in folders:
            beside = self._folder(beside, folder, path)
        if is_folder:
            self._folder(beside, last, path)
            return
        name, is_new = self._name(beside, last, path)
        if not is_new:
            what = "is in it twice" if name.below is None else "is both a file and a folder"
            raise ArchiveRefused(Reason.COLLISION, what, path)

    def _folder(self, beside: dict[str, _Name], text: str, path: str) -> dict[str, _Name]:
        name, is_new = self._name(beside, text, path)
        if is_new:
            name.below = {}
        if name.below is None:
            raise ArchiveRefused(Reason.COLLISION, f"needs {text[:120]!r} to be both a file and a folder", path)
        return name.below

    def _name(self, beside: dict[str, _Name], text: str, path: str) -> tuple[_Name, bool]:
        key = collision_key(text)
        present = beside.get(key)
        if present is None:
            self._count += 1
            if self._count > self._limits.max_members:
                raise too_many(self._limits)
            beside[key] = present = _Name(text)
            return present, True
        if present.text != text:
            raise ArchiveRefused(Reason.COLLISION, f"has the name {present.text[:120]!r} on some disks, too", path)
        return present, False


def safe_path(name: str) -> str | None:
    """Return a member's name as a safe path, or None for the archive's own top and for what a Mac leaves behind."""
    path = name
    while path.startswith("./"):
        path = path[2:]
    if path == "." or (not path and name):
        return None
    try:
        check_relative_path(path.removesuffix("/"), "name")
    except PathRefused as error:
        raise ArchiveRefused(Reason.PATH, f"is no safe path: {error.message.rstrip('.')}", name) from error
    return None if _is_of_a_mac(path.removesuffix("/")) else path.removesuffix("/")


def decode_name(name: bytes) -> str:
    """Return a name that has to be UTF-8."""
    try:
        return name.decode()
    except UnicodeDecodeError as error:
        raise ArchiveRefused(Reason.PATH, "is not UTF-8", name.decode("latin-1")) from error


def link_path(path: str, target: str, *, is_hard: bool = False) -> str:
    """Return the path in the archive that a link at `path` stands for; raise `ArchiveRefused` if it leaves it.

    A hard link names a member from the archive's top, a symbolic one from its own folder. The way is followed by name
    alone, so it must lead through no other link: only a file of the archive is a link's end.
    """
    if not target or target.startswith("/") or "\\" in target or "\0" in target:
        raise ArchiveRefused(Reason.LINK, f"links to {target[:120]!r}", path)
    parts = [] if is_hard else path.split("/")[:-1]
    for part in target.split("/"):
        if part == ".." and not parts:
            raise ArchiveRefused(Reason.LINK, f"links to {target[:120]!r}, outside the archive", path)
        if part == "..":
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)


def _is_of_a_mac(path: str) -> bool:
    last = path.rpartition("/")[2]
    return path.split("/", 1)[0] == _MAC_FOLDER or last == _MAC_FILE or last.startswith(_MAC_PREFIX)
