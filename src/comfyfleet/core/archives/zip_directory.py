"""The directory at the end of a zip, read entry by entry, and the header before each member, which has to agree.

Read by hand rather than by `zipfile`, which holds a directory of any size in memory, trusts it more than the members,
and finds an archive in the middle of other bytes.
"""

import stat
import struct
from dataclasses import dataclass
from typing import BinaryIO, Final

from comfyfleet.core.archives.limits import Meter
from comfyfleet.core.archives.refusal import ArchiveRefused, Reason, broken
from comfyfleet.core.paths import MAX_PATH_BYTES

HAS_DESCRIPTOR: Final = 0x8
_ENCRYPTED: Final = 0x1 | 0x40 | 0x2000
_PATCH: Final = 0x20
_END: Final = struct.Struct("<4s4H2LH")
_END_MARK: Final = b"PK\x05\x06"
_LONGEST_COMMENT: Final = 0xFFFF
_LOCATOR: Final = struct.Struct("<4sLQL")
_LOCATOR_MARK: Final = b"PK\x06\x07"
_END_64: Final = struct.Struct("<4sQ2H2L4Q")
_END_64_MARK: Final = b"PK\x06\x06"
_ENTRY: Final = struct.Struct("<4s6H3L5H2L")
_ENTRY_MARK: Final = b"PK\x01\x02"
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_LOCAL_MARK: Final = b"PK\x03\x04"
_DESCRIPTOR_MARK: Final = b"PK\x07\x08"
_NONE_16: Final = 0xFFFF
_NONE_32: Final = 0xFFFFFFFF  # the number is in the extra field
_ZIP64: Final = 1


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """A member as the directory has it. Sizes and the offset of its header are in bytes."""

    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed_bytes: int
    size: int
    mode: int
    offset: int

    @property
    def name(self) -> str:
        """The name. UTF-8 is tried even where the flag for it is missing: Macs do not set it."""
        try:
            return self.raw_name.decode()
        except UnicodeDecodeError:
            return self.raw_name.decode("cp437")

    @property
    def kind(self) -> int:
        """The file type of its Unix mode; 0 when it has none."""
        return stat.S_IFMT(self.mode)

    @property
    def is_encrypted(self) -> bool:
        """Whether it cannot be read without a password."""
        return bool(self.flags & _ENCRYPTED)

    @property
    def is_patch(self) -> bool:
        """Whether its bytes are a difference to some other file."""
        return bool(self.flags & _PATCH)

    def descriptors(self) -> set[bytes]:
        """Return what may follow its bytes: nothing, or its checksum and sizes in one of four ways."""
        if not self.flags & HAS_DESCRIPTOR:
            return {b""}
        ways = {struct.pack("<LQQ", self.crc, self.packed_bytes, self.size)}
        if max(self.packed_bytes, self.size) <= _NONE_32:
            ways.add(struct.pack("<LLL", self.crc, self.packed_bytes, self.size))
        return {b""} | ways | {_DESCRIPTOR_MARK + way for way in ways}


@dataclass(frozen=True, slots=True)
class _Directory:
    count: int
    start: int
    end: int


def read_directory(file: BinaryIO, size: int, meter: Meter) -> tuple[list[ZipEntry], int]:
    """Return the entries in the order of their members, and the offset at which the directory begins.

    Raises:
        ArchiveRefused: It is none, has too many entries or too large ones, or bytes that belong to nothing.
    """
    directory = _find(file, size)
    file.seek(directory.start)
    entries = []
    for _ in range(directory.count):
        entry = _read_entry(file)
        meter.check_member(entry.size, entry.name)
        entries.append(entry)
    if file.tell() != directory.end:
        raise ArchiveRefused(Reason.MISMATCH, "has a directory of another length than it says")
    return sorted(entries, key=lambda entry: entry.offset), directory.start


def content_offset(file: BinaryIO, entry: ZipEntry) -> int:
    """Return where a member's bytes begin; raise `ArchiveRefused` when its own header tells of another member."""
    file.seek(entry.offset)
    mark, _, flags, method, _, _, crc, packed, size, name_length, extra_length = _LOCAL.unpack(
        _exactly(file, _LOCAL.size, entry.name)
    )
    if mark != _LOCAL_MARK:
        raise broken("is not where the directory says", entry.name)
    name = _exactly(file, name_length, entry.name)
    extra = _exactly(file, extra_length, entry.name)
    if _NONE_32 in {packed, size}:
        size, packed = _wide([size, packed], extra, entry.name)
    said, meant = (crc, packed, size), (entry.crc, entry.packed_bytes, entry.size)
    is_later = bool(flags & HAS_DESCRIPTOR)
    differs = any(one != other and not (is_later and one == 0) for one, other in zip(said, meant, strict=True))
    same_flags = not (flags ^ entry.flags) & (_ENCRYPTED | HAS_DESCRIPTOR)
    if differs or not same_flags or name != entry.raw_name or method != entry.method:
        raise ArchiveRefused(Reason.MISMATCH, "is another thing by its own header than by the directory", entry.name)
    return file.tell()


def _find(file: BinaryIO, size: int) -> _Directory:
    tail_start = max(0, size - _END.size - _LONGEST_COMMENT)
    file.seek(tail_start)
    tail = file.read(size - tail_start)
    at = tail.rfind(_END_MARK)
    if at < 0 or len(tail) - at < _END.size:
        raise broken("has no directory of its members: it is cut off, or no zip")
    _, disk, first_disk, count_here, count, length, start, comment = _END.unpack_from(tail, at)
    if at + _END.size + comment != len(tail):
        raise ArchiveRefused(Reason.FOREIGN, "holds bytes behind its end")
    end = tail_start + at
    wide = _find_wide(file, end)
    if wide is not None:
        record_start, values = wide
        narrow = (disk, first_disk, count_here, count, length, start)
        nones = (_NONE_16, _NONE_16, _NONE_16, _NONE_16, _NONE_32, _NONE_32)
        if any(one not in {other, none} for one, other, none in zip(narrow, values, nones, strict=True)):
            raise ArchiveRefused(Reason.MISMATCH, "has two directories")
        disk, first_disk, count_here, count, length, start = values
        end = record_start
    if disk or first_disk or count_here != count:
        raise ArchiveRefused(Reason.KIND, "is a part of several volumes")
    if start + length < end:
        raise ArchiveRefused(Reason.FOREIGN, "holds bytes before its first member or before its end")
    if start + length > end:
        raise broken("has a directory that reaches beyond its end")
    return _Directory(count, start, end)


def _find_wide(file: BinaryIO, end: int) -> tuple[int, tuple[int, int, int, int, int, int]] | None:
    """Return where the record of a zip64 begins, and its numbers."""
    if end < _LOCATOR.size + _END_64.size:
        return None
    file.seek(end - _LOCATOR.size)
    mark, _, record_start, _ = _LOCATOR.unpack(_exactly(file, _LOCATOR.size))
    if mark != _LOCATOR_MARK:
        return None
    record_end = end - _LOCATOR.size
    if record_start > record_end - _END_64.size:
        raise broken("has a zip64 record that reaches beyond its end")
    file.seek(record_start)
    record = _END_64.unpack(_exactly(file, _END_64.size))
    if record[0] != _END_64_MARK or record_start + 12 + record[1] != record_end:
        raise broken("has a zip64 record that makes no sense")
    disk, first_disk, count_here, count, length, start = record[4:]
    return record_start, (disk, first_disk, count_here, count, length, start)


def _read_entry(file: BinaryIO) -> ZipEntry:
    """Return the next entry of the directory."""
    fields = _ENTRY.unpack(_exactly(file, _ENTRY.size))
    mark, _, _, flags, method, _, _, crc, packed, size = fields[:10]
    name_length, extra_length, comment_length, disk, _, attributes, offset = fields[10:]
    if mark != _ENTRY_MARK:
        raise broken("has a directory that makes no sense")
    name = _exactly(file, name_length)
    extra = _exactly(file, extra_length)
    _exactly(file, comment_length)
    shown = name.decode("latin-1")
    if name_length > MAX_PATH_BYTES:  # refused here: all names together are held in memory
        raise ArchiveRefused(Reason.PATH, f"is a name of {name_length:,} bytes", shown)
    if disk not in {0, _NONE_16}:
        raise ArchiveRefused(Reason.KIND, "lies in another volume", shown)
    size, packed, offset = _wide([size, packed, offset], extra, shown)
    return ZipEntry(name, flags, method, crc, packed, size, attributes >> 16, offset)


def _wide(numbers: list[int], extra: bytes, name: str) -> list[int]:
    """Return numbers with those that are too large for 32 bits taken from the extra field, where they are in order."""
    missing = numbers.count(_NONE_32)
    if not missing:
        return numbers
    field = _extra_field(extra, _ZIP64)
    if field is None or len(field) < 8 * missing:
        raise broken("has a size that is nowhere", name)
    found = iter(struct.unpack_from(f"<{missing}Q", field))
    return [next(found) if number == _NONE_32 else number for number in numbers]


def _extra_field(extra: bytes, wanted: int) -> bytes | None:
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == wanted:
            return extra[at + 4 : at + 4 + length]
        at += 4 + length
    return None


def _exactly(file: BinaryIO, size: int, name: str | None = None) -> bytes:
    content = file.read(size)
    if len(content) < size:
        raise broken("is cut off", name)
    return content
