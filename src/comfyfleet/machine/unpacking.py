"""Writes an archive's members below one new directory, and removes it again when something is wrong."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from comfyfleet.core.archives import ArchiveLimits, ArchiveReader, ArchiveRefused, Member, NameCheck, Reason, reader_of
from comfyfleet.core.archives.members import Read
from comfyfleet.core.bundles import Action
from comfyfleet.machine.fetch.partial import disk_errors

_CHUNK_BYTES: Final = 2**20


@dataclass(frozen=True)
class UnpackedFile:
    """A file that was unpacked: its path below the target, its digest, and its size in bytes."""

    path: str
    sha256: str
    size: int


def unpack(
    archive: Path,
    action: Action,
    target: Path,
    *,
    limits: ArchiveLimits | None = None,
    on_bytes: Callable[[int], None] = lambda _count: None,
) -> tuple[UnpackedFile, ...]:
    """Unpack an archive into the directory `target`, which does not exist yet; return its files by path.

    One top folder that repeats the target's name, as in `name/` or GitHub's `name-main/`, is left out. Files get the
    mode 644, or 755 if they were executable; nothing else of owners, modes and times is taken over. It is up to the
    caller to make the result durable.

    Raises:
        ArchiveRefused: The archive is hostile or broken. Nothing is left of it.
        DiskFull, DiskRefuses: As they say. Nothing is left, either.
    """
    limits = limits or ArchiveLimits()
    scratch = target.with_name(f"{target.name}.unpacking")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        with disk_errors(), archive.open("rb") as file:
            scratch.mkdir()
            reader = reader_of(file, archive.stat().st_size, action, limits)
            files = _Writer(scratch, limits, on_bytes).write_all(reader)
            return _settle(scratch, target, files)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _settle(scratch: Path, target: Path, files: dict[str, UnpackedFile]) -> tuple[UnpackedFile, ...]:
    """Give the unpacked folder, or the one folder in it that repeats the target's name, the target's name."""
    top = _repeated_top(target.name, files, scratch)
    (scratch / top if top else scratch).rename(target)
    cut = len(top) + 1 if top else 0
    kept = (UnpackedFile(file.path[cut:], file.sha256, file.size) for file in files.values())
    return tuple(sorted(kept, key=lambda file: file.path))


def _repeated_top(name: str, files: dict[str, UnpackedFile], scratch: Path) -> str:
    tops = [path.name for path in scratch.iterdir()]
    if len(tops) != 1 or tops[0] in files:
        return ""
    top = tops[0].lower()
    return tops[0] if top == name.lower() or top.startswith(f"{name.lower()}-") else ""


class _Writer:
    """Writes members below a folder that only we write in."""

    def __init__(self, folder: Path, limits: ArchiveLimits, on_bytes: Callable[[int], None]) -> None:
        self._folder = folder
        self._names = NameCheck(limits)
        self._on_bytes = on_bytes
        self._files: dict[str, UnpackedFile] = {}
        self._links: list[Member] = []

    def write_all(self, reader: ArchiveReader) -> dict[str, UnpackedFile]:
        for member in reader.members():
            self._names.check(member.path, is_folder=member.is_folder)
            self._write(member)
        for link in self._links:
            self._write_link(link)
        if not self._files:
            raise ArchiveRefused(Reason.EMPTY, "it holds no file")
        return self._files

    def _write(self, member: Member) -> None:
        path = self._folder / member.path
        if member.is_folder:
            path.mkdir(parents=True, exist_ok=True)
        elif member.link is not None:
            self._links.append(member)
        elif member.read is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._files[member.path] = self._write_file(member.path, member.read, is_executable=member.is_executable)

    def _write_link(self, link: Member) -> None:
        """Put a copy of the file that a link stands for in its place: on disk there are no links."""
        if link.link not in self._files:
            raise ArchiveRefused(Reason.LINK, f"{link.path[:120]!r} links to no file of the archive")
        source = self._folder / link.link
        is_executable = os.access(source, os.X_OK)
        (self._folder / link.path).parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as file:
            self._files[link.path] = self._write_file(link.path, file.read, is_executable=is_executable)

    def _write_file(self, path: str, read: Read, *, is_executable: bool) -> UnpackedFile:
        digest, size = hashlib.sha256(), 0
        mode = 0o755 if is_executable else 0o644
        descriptor = os.open(self._folder / path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)  # whatever the umask is
            for chunk in _chunks(read):
                digest.update(chunk)
                size += len(chunk)
                file.write(chunk)
                self._on_bytes(len(chunk))
        return UnpackedFile(path, digest.hexdigest(), size)


def _chunks(read: Read) -> Iterator[bytes]:
    while chunk := read(_CHUNK_BYTES):
        yield chunk
