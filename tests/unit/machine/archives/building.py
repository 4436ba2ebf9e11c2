"""Builds zips and tars byte by byte, so that each field can lie."""

import gzip
import io
import stat
import struct
import tarfile
import zipfile
import zlib
from dataclasses import dataclass

BLOCK = 512
FILE = stat.S_IFREG | 0o644


@dataclass(frozen=True)
class Part:
    """A member of a zip. `packed`, and what begins with `local` or `said`, is told instead of the truth."""

    name: str | bytes
    content: bytes = b"x"
    mode: int = FILE
    method: int = 0
    flags: int = 0
    packed: bytes | None = None
    local_name: str | bytes | None = None
    local_size: int | None = None
    local_extra: bytes = b""
    local_method: int | None = None
    said_size: int | None = None
    said_crc: int | None = None
    said_packed: int | None = None
    offset: int | None = None
    after: bytes = b""
    is_in_directory: bool = True


def zip_of(
    *parts: Part, before: bytes = b"", after: bytes = b"", comment: bytes = b"", count: int | None = None
) -> bytes:
    """Return a zip of these members; offsets are told as if nothing stood before."""
    body, directory, entries = b"", b"", 0
    for part in parts:
        offset = len(body) if part.offset is None else part.offset
        body += _local(part) + part.after
        if part.is_in_directory:
            directory += _entry(part, offset)
            entries += 1
    entries = entries if count is None else count
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, entries, entries, len(directory), len(body), len(comment))
    return before + body + directory + end + comment + after


def deflated(content: bytes, level: int = 9) -> bytes:
    """Return content as zips deflate it."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


def plain_zip(files: dict[str, bytes]) -> bytes:
    """Return a zip as Python's own library makes it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def header(
    name: str | bytes, kind: bytes = b"0", size: int = 0, *, mode: int = 0o644, link: str | bytes = b"",
    size_field: bytes | None = None, magic: bytes = b"ustar\x0000", prefix: bytes = b"",
) -> bytes:  # fmt: skip
    """Return the header block of a tar's member."""
    block = bytearray(BLOCK)
    _put(block, 0, _bytes(name))
    _put(block, 100, f"{mode:07o}\0".encode())
    _put(block, 108, b"0000000\x000000000\0")
    _put(block, 124, size_field or f"{size:011o}\0".encode())
    _put(block, 136, b"00000000000\0")
    _put(block, 148, b" " * 8)
    _put(block, 156, kind)
    _put(block, 157, _bytes(link))
    _put(block, 257, magic)
    _put(block, 345, prefix)
    _put(block, 148, f"{sum(block):06o}\0 ".encode())
    return bytes(block)


def member(name: str | bytes, content: bytes = b"x", kind: bytes = b"0", **fields: object) -> bytes:
    """Return a tar's member: header, bytes, padding."""
    return header(name, kind, len(content), **fields) + padded(content)  # type: ignore[arg-type]


def padded(content: bytes) -> bytes:
    """Return content up to the next block."""
    return content + bytes(-len(content) % BLOCK)


def pax(records: dict[str, str | bytes], kind: bytes = b"x") -> bytes:
    """Return an extended header."""
    content = b"".join(pax_record(key, _bytes(value)) for key, value in records.items())
    return member("PaxHeader", content, kind)


def pax_record(key: str, value: bytes) -> bytes:
    """Return one record of an extended header; its length counts itself."""
    rest = b" " + key.encode() + b"=" + value + b"\n"
    length = len(rest)
    while len(str(length)) + len(rest) != length:
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest


def tgz(*members: bytes, end: bytes = bytes(2 * BLOCK)) -> bytes:
    """Return a tar.gz of members that were built by hand."""
    return gzip.compress(b"".join(members) + end, mtime=0)


def plain_tgz(files: dict[str, bytes], tar_format: int = tarfile.PAX_FORMAT) -> bytes:
    """Return a tar.gz as Python's own library makes it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tar_format) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def _local(part: Part) -> bytes:
    name = _bytes(part.name if part.local_name is None else part.local_name)
    packed = _packed(part)
    size = _said_size(part) if part.local_size is None else part.local_size
    method = part.method if part.local_method is None else part.local_method
    head = struct.pack(
        "<4s5H3L2H", b"PK\x03\x04", 20, part.flags, method, 0, 0x21,
        _said_crc(part), _said_packed(part), size, len(name), len(part.local_extra),
    )  # fmt: skip
    return head + name + part.local_extra + packed


def _entry(part: Part, offset: int) -> bytes:
    name = _bytes(part.name)
    return struct.pack(
        "<4s6H3L5H2L", b"PK\x01\x02", 0x31E, 20, part.flags, part.method, 0, 0x21, _said_crc(part),
        _said_packed(part), _said_size(part), len(name), 0, 0, 0, 0, part.mode << 16, offset,
    ) + name  # fmt: skip


def _packed(part: Part) -> bytes:
    if part.packed is not None:
        return part.packed
    return deflated(part.content) if part.method == zipfile.ZIP_DEFLATED else part.content


def _said_size(part: Part) -> int:
    return len(part.content) if part.said_size is None else part.said_size


def _said_crc(part: Part) -> int:
    return zlib.crc32(part.content) if part.said_crc is None else part.said_crc


def _said_packed(part: Part) -> int:
    return len(_packed(part)) if part.said_packed is None else part.said_packed


def _put(block: bytearray, at: int, content: bytes) -> None:
    block[at : at + len(content)] = content


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
