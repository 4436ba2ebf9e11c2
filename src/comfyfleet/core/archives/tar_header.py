"""A header block of a tar, and the records that extend the next one.

Read by hand rather than by `tarfile`, which believes what headers say: it reads extended headers of any size, as many
as there are, and takes the last of two sizes.
"""

from dataclasses import dataclass
from typing import Final, TypeVar

from comfyfleet.core.archives.refusal import ArchiveRefused, Reason, broken

BLOCK_BYTES: Final = 512
_SIZE_FIELD_LIMIT: Final = 8**11  # a header's octal digits end here
_PAX_DIGITS: Final = 12

_Said = TypeVar("_Said", bytes, int)


@dataclass(frozen=True, slots=True)
class TarHeader:
    """What a header says; `size` is in bytes, `kind` is tar's type flag."""

    kind: bytes
    name: bytes
    link: bytes
    size: int
    mode: int


@dataclass(slots=True)
class Extension:
    """What the headers before a member say of it."""

    name: bytes | None = None
    link: bytes | None = None
    size: int | None = None

    def set_name(self, name: bytes) -> None:
        """Take a long name; a second one is refused."""
        self.name = _once(self.name, name)

    def set_link(self, link: bytes) -> None:
        """Take the long target of a link; a second one is refused."""
        self.link = _once(self.link, link)

    def applied_to(self, header: TarHeader) -> TarHeader:
        """Return the header of the member with what was said before."""
        return TarHeader(
            kind=header.kind,
            name=header.name if self.name is None else self.name,
            link=header.link if self.link is None else self.link,
            size=self._size(header),
            mode=header.mode,
        )

    def _size(self, header: TarHeader) -> int:
        if self.size is None or self.size == header.size:
            return header.size
        if self.size < _SIZE_FIELD_LIMIT:  # the field could hold it, so one of the two is a lie
            raise ArchiveRefused(Reason.MISMATCH, "has two sizes", header.name.decode("latin-1"))
        return self.size


def parse_header(block: bytes) -> TarHeader:
    """Return what a block of 512 bytes says; raise `ArchiveRefused` unless it is a header."""
    if _number(block[148:156]) != sum(block[:148]) + sum(block[156:]) + 8 * 0x20:
        raise broken("has a header whose checksum is wrong")
    name = _text(block[:100])
    if block[257:263] == b"ustar\0" and (prefix := _text(block[345:500])):
        name = prefix + b"/" + name
    return TarHeader(
        kind=block[156:157],
        name=name,
        link=_text(block[157:257]),
        size=_number(block[124:136]),
        mode=_number(block[100:108]),
    )


def read_pax(content: bytes, extension: Extension, *, is_global: bool) -> None:
    """Put pax records, `length key=value` in lines, into an extension; those that matter to nobody here are left out.

    Raises:
        ArchiveRefused: They make no sense, or say for all members what can hold for one only, or tell of a sparse file.
    """
    at = 0
    while at < len(content):
        key, value, at = _record(content, at)
        if key.startswith((b"GNU.sparse", b"SCHILY.realsize")):
            raise ArchiveRefused(Reason.KIND, "holds a sparse file")
        if key not in {b"path", b"linkpath", b"size"}:
            continue
        if is_global:
            raise ArchiveRefused(Reason.MISMATCH, f"sets {key.decode()!r} for all of its members")
        if key == b"path":
            extension.set_name(value)
        elif key == b"linkpath":
            extension.set_link(value)
        else:
            extension.size = _once(extension.size, _decimal(value))


def _record(content: bytes, at: int) -> tuple[bytes, bytes, int]:
    """Return the record at an offset, and where the next one begins."""
    space = content.find(b" ", at, at + _PAX_DIGITS)
    length = _decimal(content[at:space]) if space > at else 0
    end = at + length
    line = content[space + 1 : end]
    key, equals, value = line.partition(b"=")
    if length < 5 or end > len(content) or not line.endswith(b"\n") or not equals or not key:
        raise broken("has an extended header that makes no sense")
    return key, value[:-1], end


def _decimal(digits: bytes) -> int:
    if not digits.isdigit() or len(digits) > 18:
        raise broken("has an extended header with a number that makes no sense")
    return int(digits)


def _number(field: bytes) -> int:
    """Return a number of a header: octal digits, or binary where digits do not suffice."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.split(b"\0", 1)[0].strip(b" ")
    if digits.strip(b"01234567"):
        raise broken("has a header with a number that makes no sense")
    return int(digits or b"0", 8)


def _text(field: bytes) -> bytes:
    return field.split(b"\0", 1)[0]


def _once(present: _Said | None, new: _Said) -> _Said:
    if present is not None:
        raise ArchiveRefused(Reason.MISMATCH, "says two times what one member is called or how large it is")
    return new
