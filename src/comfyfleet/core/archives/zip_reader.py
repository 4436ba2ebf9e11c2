"""Members of a zip, in the order in which they lie in it."""

import stat
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final

from comfyfleet.core.archives.limits import ArchiveLimits, Meter
from comfyfleet.core.archives.members import Chunks, Member, decode_name, link_path, safe_path
from comfyfleet.core.archives.refusal import ArchiveRefused, Reason, broken
from comfyfleet.core.archives.zip_directory import ZipEntry, content_offset, read_directory

_STORED: Final = 0
_DEFLATED: Final = 8
_LONGEST_LINK: Final = 1024
_IN_BYTES: Final = 64 * 2**10
_OUT_BYTES: Final = 256 * 2**10


class ZipReader:
    """Reads a zip of `size` bytes. Its members have to lie side by side, from its first byte to its directory."""

    def __init__(self, file: BinaryIO, size: int, limits: ArchiveLimits) -> None:
        self._file = file
        self._size = size
        self._meter = Meter(limits, size)

    def members(self) -> Iterator[Member]:
        """Yield the members; see `ArchiveReader`."""
        entries, directory_start = read_directory(self._file, self._size, self._meter)
        following = [*(entry.offset for entry in entries[1:]), directory_start]
        if (entries[0].offset if entries else directory_start) != 0:
            raise ArchiveRefused(Reason.FOREIGN, "holds bytes before its first member")
        for entry, end in zip(entries, following, strict=False):
            _check(entry)
            start = content_offset(self._file, entry)
            self._check_end(entry, start + entry.packed_bytes, end)
            yield from self._member(entry, start)

    def _check_end(self, entry: ZipEntry, content_end: int, end: int) -> None:
        """See that a member ends where the next one, or the directory, begins: neither behind it nor before."""
        if content_end > end:
            raise ArchiveRefused(Reason.OVERLAP, "lies partly in what comes after it", entry.name)
        self._file.seek(content_end)
        descriptors = entry.descriptors()
        length = end - content_end
        if length > max(map(len, descriptors)) or self._file.read(length) not in descriptors:
            raise ArchiveRefused(Reason.FOREIGN, "is followed by bytes of no member", entry.name)

    def _member(self, entry: ZipEntry, start: int) -> Iterator[Member]:
        path = safe_path(entry.name)
        if path is None:
            return
        if entry.name.endswith("/"):
            yield Member(path, is_folder=True)
            return
        chunks = self._chunks(entry, start)
        if entry.kind == stat.S_IFLNK:
            yield Member(path, is_folder=False, link=_link(entry, path, chunks))
            return
        is_executable = bool(entry.mode & 0o100)  # setuid and all other bits of the mode end here
        yield Member(path, is_folder=False, size=entry.size, is_executable=is_executable, chunks=chunks)

    def _chunks(self, entry: ZipEntry, start: int) -> Chunks:
        """Yield a member's bytes; at the end its size and its checksum have to be right."""
        self._file.seek(start)
        size = crc = 0
        for chunk in self._stored(entry) if entry.method == _STORED else self._inflated(entry):
            size += len(chunk)
            if size > entry.size:
                break
            self._meter.count(len(chunk))
            crc = zlib.crc32(chunk, crc)
            yield chunk
        if size != entry.size:
            raise ArchiveRefused(Reason.MISMATCH, "has another size than it says", entry.name)
        if crc != entry.crc:
            raise broken("has another checksum than it says", entry.name)

    def _stored(self, entry: ZipEntry) -> Iterator[bytes]:
        left = entry.packed_bytes
        while left:
            chunk = self._file.read(min(left, _OUT_BYTES))
            if not chunk:
                raise broken("is cut off", entry.name)
            left -= len(chunk)
            yield chunk

    def _inflated(self, entry: ZipEntry) -> Iterator[bytes]:
        stream, left, packed = zlib.decompressobj(-zlib.MAX_WBITS), entry.packed_bytes, b""
        while not stream.eof:
            if not packed:
                packed = self._file.read(min(left, _IN_BYTES))
                left -= len(packed)
            is_over = not packed
            try:
                chunk = stream.decompress(packed, _OUT_BYTES)
            except zlib.error as error:
                raise broken(f"cannot be unpacked ({error})", entry.name) from error
            packed = stream.unconsumed_tail
            if chunk:
                yield chunk
            elif is_over and not stream.eof:
                raise broken("is cut off", entry.name)
        if left or stream.unused_data:
            raise ArchiveRefused(Reason.FOREIGN, "holds bytes behind the end of its deflated ones", entry.name)


def _check(entry: ZipEntry) -> None:
    """Raise `ArchiveRefused` unless a member is of a kind that is unpacked."""
    if entry.is_encrypted:
        raise ArchiveRefused(Reason.ENCRYPTED, "is encrypted", entry.name)
    if entry.method not in {_STORED, _DEFLATED} or entry.is_patch:
        raise ArchiveRefused(Reason.METHOD, f"is packed by method {entry.method}", entry.name)
    if entry.kind not in {0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK}:
        raise ArchiveRefused(Reason.DEVICE, "is a device, a pipe or a socket", entry.name)
    is_folder = entry.name.endswith("/")
    if is_folder != (entry.kind == stat.S_IFDIR) and entry.kind:
        raise ArchiveRefused(Reason.MISMATCH, "is a folder by its name or by its mode, but not by both", entry.name)
    if (is_folder and entry.size) or (entry.method == _STORED and entry.size != entry.packed_bytes):
        raise ArchiveRefused(Reason.MISMATCH, "has two sizes", entry.name)


def _link(entry: ZipEntry, path: str, chunks: Chunks) -> str:
    if entry.size > _LONGEST_LINK:
        raise ArchiveRefused(Reason.LINK, f"links to a name of {entry.size:,} bytes", entry.name)
    return link_path(path, decode_name(b"".join(chunks)))
