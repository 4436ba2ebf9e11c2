"""Members of a tar.gz, read once from front to back."""

from collections.abc import Iterator
from typing import BinaryIO, Final

from comfyfleet.core.archives.gunzip import Gunzip
from comfyfleet.core.archives.limits import ArchiveLimits, Meter
from comfyfleet.core.archives.members import Chunks, Member, decode_name, link_path, safe_path
from comfyfleet.core.archives.refusal import ArchiveRefused, Reason, broken
from comfyfleet.core.archives.tar_header import BLOCK_BYTES, Extension, TarHeader, parse_header, read_pax

_FILES: Final = frozenset({b"0", b"\0", b"7"})
_FOLDER: Final = b"5"
_HARD_LINK: Final = b"1"
_LINKS: Final = frozenset({_HARD_LINK, b"2"})
_DEVICES: Final = frozenset({b"3", b"4", b"6"})
_LONG_NAME: Final = b"L"
_LONG_LINK: Final = b"K"
_PAX: Final = b"x"
_PAX_GLOBAL: Final = b"g"
_EXTENSIONS: Final = frozenset({_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL})
_LARGEST_EXTENSION: Final = 2**20  # attributes of a Mac's files can be large; names are not
_MOST_EXTENSIONS: Final = 8  # before one member
_CHUNK_BYTES: Final = 256 * 2**10


class TarReader:
    """Reads a tar.gz of `size` bytes: ustar, the older format before it, and the extensions of GNU and pax."""

    def __init__(self, file: BinaryIO, size: int, limits: ArchiveLimits) -> None:
        self._file = file
        self._meter = Meter(limits, size)
        self._stream = Gunzip(file, self._meter)

    def members(self) -> Iterator[Member]:
        """Yield the members; see `ArchiveReader`."""
        self._file.seek(0)
        while (header := self._next()) is not None:
            yield from self._member(header)
        self._stream.check_rest()

    def _next(self) -> TarHeader | None:
        """Return the header of the next member, or None at the end."""
        extension = Extension()
        for _ in range(_MOST_EXTENSIONS + 1):
            block = self._stream.read_whole(BLOCK_BYTES)
            if len(block) < BLOCK_BYTES:
                raise broken("is cut off: tar's end mark is missing")
            if not any(block):
                if extension != Extension():
                    raise broken("ends with an extended header of no member")
                return None
            header = parse_header(block)
            if header.kind not in _EXTENSIONS:
                return extension.applied_to(header)
            self._read_extension(header, extension)
        raise ArchiveRefused(Reason.BOMB, f"has more than {_MOST_EXTENSIONS} extended headers in a row")

    def _read_extension(self, header: TarHeader, extension: Extension) -> None:
        if header.size > _LARGEST_EXTENSION:
            raise ArchiveRefused(Reason.BOMB, f"has an extended header of {header.size:,} bytes")
        content = self._stream.read_whole(header.size)
        if len(content) < header.size:
            raise broken("is cut off in an extended header")
        self._skip_padding(header.size)
        if header.kind == _LONG_NAME:
            extension.set_name(content.split(b"\0", 1)[0])
        elif header.kind == _LONG_LINK:
            extension.set_link(content.split(b"\0", 1)[0])
        else:
            read_pax(content, extension, is_global=header.kind == _PAX_GLOBAL)

    def _member(self, header: TarHeader) -> Iterator[Member]:
        name = decode_name(header.name)
        self._meter.check_member(header.size, name)
        _check_kind(header, name)
        chunks = self._chunks(header.size, name)
        path = safe_path(name)
        if path is not None:
            yield _as_member(header, path, chunks)
        for _ in chunks:  # what nobody has read
            pass
        self._skip_padding(header.size)

    def _chunks(self, size: int, name: str) -> Chunks:
        left = size
        while left:
            chunk = self._stream.read(min(left, _CHUNK_BYTES))
            if not chunk:
                raise broken("is cut off", name)
            left -= len(chunk)
            yield chunk

    def _skip_padding(self, size: int) -> None:
        padding = -size % BLOCK_BYTES
        if len(self._stream.read_whole(padding)) < padding:
            raise broken("is cut off")


def _check_kind(header: TarHeader, name: str) -> None:
    if header.kind in _DEVICES:
        raise ArchiveRefused(Reason.DEVICE, "is a device or a pipe", name)
    if header.kind not in _FILES | _LINKS | {_FOLDER}:
        raise ArchiveRefused(Reason.KIND, f"is of the kind {header.kind.decode('latin-1')!r}", name)
    if header.size and (header.kind not in _FILES or _is_folder(header)):
        raise ArchiveRefused(Reason.MISMATCH, "is a folder or a link, and has a size", name)


def _as_member(header: TarHeader, path: str, chunks: Chunks) -> Member:
    if _is_folder(header):
        return Member(path, is_folder=True)
    if header.kind in _LINKS:
        target = decode_name(header.link)
        return Member(path, is_folder=False, link=link_path(path, target, is_hard=header.kind == _HARD_LINK))
    return Member(
        path, is_folder=False, size=header.size, is_executable=bool(header.mode & 0o100), chunks=chunks
    )  # setuid and all other bits of the mode end here


def _is_folder(header: TarHeader) -> bool:
    # Before ustar, a folder was a file whose name ends with a slash; programs still take it for one.
    return header.kind == _FOLDER or (header.kind in _FILES and header.name.endswith(b"/"))
