"""Members of a zip, whose directory and whose members have to agree."""

import stat
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final

from comfyfleet.core.archives.limits import ArchiveLimits
from comfyfleet.core.archives.members import Member, link_target, safe_path
from comfyfleet.core.archives.refusal import ArchiveRefused, Reason, corrupt
from comfyfleet.core.archives.tar_reader import check_growth

_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OverflowError, NotImplementedError, KeyError)
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_END: Final = b"PK\x05\x06"
_END_BYTES: Final = 22
_COMMENT_BYTES: Final = 65535
_LOCAL_HEADER_BYTES: Final = 30
_LONGEST_LINK: Final = 1024


class ZipReader:
    """Reads a zip. Links become the files that they stand for."""

    def __init__(self, file: BinaryIO, size: int, limits: ArchiveLimits) -> None:
        self._file = file
        self._size = size
        self._limits = limits
        self._unpacked_bytes = 0

    def members(self) -> Iterator[Member]:
        """Yield the members; see `ArchiveReader`."""
        try:
            _check_count(self._file, self._limits)
            with zipfile.ZipFile(self._file) as archive:
                infos = archive.infolist()
                _check_places(infos, archive.start_dir)
                for info in infos:
                    yield from self._member(archive, info)
        except _BROKEN as error:
            raise corrupt(error) from error

    def _member(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[Member]:
        path = safe_path(info.orig_filename)
        if path is None:
            return
        mode = info.external_attr >> 16
        _check_kind(info, path, mode)
        if info.is_dir():
            yield Member(path, is_folder=True)
            return
        with archive.open(info) as source:
            if stat.S_ISLNK(mode):
                target = source.read(_LONGEST_LINK).decode("utf-8", "strict")
                yield Member(path, is_folder=False, link=link_target(path, target))
                return

            def read(size: int) -> bytes:
                content = source.read(size)
                self._unpacked_bytes += len(content)
                check_growth(self._unpacked_bytes, self._size, self._limits)
                return content

            yield Member(path, is_folder=False, size=info.file_size, is_executable=bool(mode & 0o100), read=read)


def _check_kind(info: zipfile.ZipInfo, path: str, mode: int) -> None:
    if info.flag_bits & 0x1:
        raise ArchiveRefused(Reason.ENCRYPTED, f"{path[:120]!r} is encrypted")
    if info.compress_type not in _METHODS:
        raise ArchiveRefused(Reason.METHOD, f"{path[:120]!r} is packed by method {info.compress_type}")
    kind = stat.S_IFMT(mode)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK}:
        raise ArchiveRefused(Reason.DEVICE, f"{path[:120]!r} is no plain file")


def _check_count(file: BinaryIO, limits: ArchiveLimits) -> None:
    """Look at the number of members before a directory of that length is read."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _END_BYTES - _COMMENT_BYTES))
    tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_BYTES:
        raise zipfile.BadZipFile("it has no directory")
    count = int.from_bytes(tail[at + 10 : at + 12], "little")
    if count > limits.max_members:  # a larger zip64 has 65,535 here
        raise ArchiveRefused(Reason.TOO_MANY, f"it has more than {limits.max_members:,} members")
    file.seek(0)


def _check_places(infos: list[zipfile.ZipInfo], directory_start: int) -> None:
    """See that the members lie one after another from the beginning on, and none inside another."""
    ordered = sorted(infos, key=lambda info: info.header_offset)
    if ordered and ordered[0].header_offset != 0:
        raise ArchiveRefused(Reason.CORRUPT, "something stands before its first member")
    for info, end in zip(ordered, [*(later.header_offset for later in ordered[1:]), directory_start], strict=True):
        if info.header_offset + _LOCAL_HEADER_BYTES + info.compress_size > end:
            raise ArchiveRefused(Reason.BOMB, f"{info.filename[:120]!r} lies inside another member")
