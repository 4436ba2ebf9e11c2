"""Writes an archive's members below one new directory, and removes it again when something is wrong."""

import errno
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from comfyfleet.core.archives.limits import ArchiveLimits, Meter
from comfyfleet.core.archives.links import file_behind
from comfyfleet.core.archives.members import ArchiveReader, Member, NameCheck
from comfyfleet.core.archives.readers import reader_of
from comfyfleet.core.archives.refusal import ArchiveRefused, Reason
from comfyfleet.core.bundles import Action
from comfyfleet.machine.fetch.partial import disk_errors
from comfyfleet.machine.trees import remove_tree

_CHUNK_BYTES: Final = 256 * 2**10
_FOLDER_MODE: Final = 0o755


@dataclass(frozen=True, slots=True)
class UnpackedFile:
    """A file that was unpacked: its path below the target, its digest, its size in bytes."""

    path: str
    sha256: str
    size: int
    is_executable: bool = False


def unpack(
    archive: Path,
    action: Action,
    target: Path,
    *,
    limits: ArchiveLimits | None = None,
    on_bytes: Callable[[int], None] = lambda _count: None,
) -> tuple[UnpackedFile, ...]:
    """Unpack an archive into the directory `target`, which does not exist yet; return its files by path.

    The target appears whole or not at all; until then everything is in `<target>.unpacking` beside it. One top folder
    that repeats the target's name is left out. Files get the mode 644, or 755 if they were executable; nothing else of
    owners, modes and times is taken over. It is up to the caller to make the result durable, once for all archives.

    Raises:
        ArchiveRefused: The archive is hostile or broken. Nothing is left of it.
        DiskFull, DiskRefuses: As they say, or the target exists. Nothing is left, either.
    """
    limits = limits or ArchiveLimits()
    scratch = target.with_name(f"{target.name}.unpacking")
    with disk_errors():
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        remove_tree(scratch)
        try:
            files = _unpack(archive, action, scratch, limits, on_bytes)
            return _settle(scratch, target, files)
        finally:
            remove_tree(scratch)


def _unpack(
    archive: Path, action: Action, folder: Path, limits: ArchiveLimits, on_bytes: Callable[[int], None]
) -> dict[str, UnpackedFile]:
    with archive.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        writer = _Writer(folder, limits, Meter(limits, size), on_bytes)
        return writer.write_all(reader_of(file, size, action, limits))


def _settle(scratch: Path, target: Path, files: dict[str, UnpackedFile]) -> tuple[UnpackedFile, ...]:
    """Give the unpacked folder, or the one folder in it that repeats the target's name, the target's name."""
    top = _repeated_top(target.name, [path.name for path in scratch.iterdir()])
    if top is None or top in files:
        scratch.rename(target)
        cut = 0
    else:
        (scratch / top).rename(target)
        cut = len(top) + 1
    return tuple(replace(files[path], path=path[cut:]) for path in sorted(files))


def _repeated_top(name: str, tops: list[str]) -> str | None:
    """Return the only top name if it is the target's name, as it is or as GitHub makes it for a branch or a commit."""
    if len(tops) != 1:
        return None
    repeated = re.escape(name)
    of_commit = rf"[a-z0-9-]+-{repeated}-[0-9a-f]{{7,40}}"
    return tops[0] if re.fullmatch(rf"{repeated}(-.+)?|{of_commit}", tops[0], re.IGNORECASE) else None


class _Writer:
    """Writes members below a folder that it makes, and that nobody else writes in."""

    def __init__(self, folder: Path, limits: ArchiveLimits, copied: Meter, on_bytes: Callable[[int], None]) -> None:
        self._folder = folder
        self._names = NameCheck(limits)
        self._meter = copied
        self._on_bytes = on_bytes
        self._made: set[str] = set()
        self._files: dict[str, UnpackedFile] = {}
        self._links: dict[str, str] = {}

    def write_all(self, reader: ArchiveReader) -> dict[str, UnpackedFile]:
        _make_folder(self._folder)
        for member in reader.members():
            self._names.check(member.path, is_folder=member.is_folder)
            self._write(member)
        for path in self._links:
            self._write_link(path)
        if not self._files:
            raise ArchiveRefused(Reason.EMPTY, "holds no file")
        return self._files

    def _write(self, member: Member) -> None:
        if member.is_folder:
            self._make_folders(member.path.split("/"))
        elif member.link is not None:
            self._links[member.path] = member.link
        else:
            self._write_file(member.path, member.chunks or (), is_executable=member.is_executable)

    def _write_link(self, path: str) -> None:
        """Put a copy of the file that a link stands for in its place: on disk there are no links."""
        source = self._files[file_behind(path, self._links, self._files)]
        self._write_file(path, _copy(self._folder / source.path), is_executable=source.is_executable)

    def _write_file(self, path: str, chunks: Iterable[bytes | memoryview], *, is_executable: bool) -> None:
        self._make_folders(path.split("/")[:-1])
        digest, size = hashlib.sha256(), 0
        mode = 0o755 if is_executable else 0o644
        descriptor = os.open(self._folder / path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            os.fchmod(descriptor, mode)  # whatever the umask is
            for chunk in chunks:
                self._meter.count(len(chunk))
                digest.update(chunk)
                _write_whole(file.fileno(), chunk)
                size += len(chunk)
                self._on_bytes(len(chunk))
        self._files[path] = UnpackedFile(path, digest.hexdigest(), size, is_executable)

    def _make_folders(self, segments: list[str]) -> None:
        for length in range(1, len(segments) + 1):
            path = "/".join(segments[:length])
            if path not in self._made:
                _make_folder(self._folder / path)
                self._made.add(path)


def _make_folder(path: Path) -> None:
    path.mkdir()
    path.chmod(_FOLDER_MODE)  # whatever the umask is


def _write_whole(descriptor: int, chunk: bytes | memoryview) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]


def _copy(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
