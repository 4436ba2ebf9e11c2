"""Members of a tar.gz, read once from front to back."""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final

from comfyfleet.core.archives.limits import ArchiveLimits
from comfyfleet.core.archives.members import Member, link_target, safe_path
from comfyfleet.core.archives.refusal import ArchiveRefused, Reason, corrupt

_BLOCK: Final = 512
_LARGEST_READ: Final = 4 * 2**20  # of tarfile itself: an extended header that asks for more is an attack
_BROKEN: Final = (
    tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, OverflowError, RecursionError, KeyError,
)  # fmt: skip


class TarReader:
    """Reads a tar.gz. Links become the files that they stand for."""

    def __init__(self, file: BinaryIO, size: int, limits: ArchiveLimits) -> None:
        self._file = file
        self._size = size
        self._limits = limits

    def members(self) -> Iterator[Member]:
        """Yield the members; see `ArchiveReader`."""
        with gzip.GzipFile(fileobj=self._file, mode="rb") as stream:
            forward = _Forward(stream, self._size, self._limits)
            try:
                yield from self._members(forward)
                forward.finish()
            except _BROKEN as error:
                raise corrupt(error) from error

    def _members(self, forward: "_Forward") -> Iterator[Member]:
        with tarfile.TarFile(fileobj=forward, mode="r", errorlevel=2) as tar:  # type: ignore[arg-type]  # what it uses
            members: list[tarfile.TarInfo] = tar.members  # type: ignore[attr-defined]  # public in the code, not typed
            while (info := tar.next()) is not None:
                members.clear()  # it would grow with the archive
                path = safe_path(info.name)
                if path is not None:
                    yield _member(forward, info, path)


def _member(forward: "_Forward", info: tarfile.TarInfo, path: str) -> Member:
    if info.isdir():
        return Member(path, is_folder=True)
    if info.issym():
        return Member(path, is_folder=False, link=link_target(path, info.linkname))
    if info.islnk():  # a hard link names a member from the archive's top
        return Member(path, is_folder=False, link=link_target("", info.linkname))
    if not info.isreg() or info.issparse():
        raise ArchiveRefused(Reason.DEVICE, f"{path[:120]!r} is no plain file")
    forward.start_member(info.offset_data, info.size)
    return Member(
        path, is_folder=False, size=info.size, is_executable=bool(info.mode & 0o100), read=forward.read_member
    )


class _Forward:
    """The unpacked stream as a file that is only read forwards, and only so far as the limits allow."""

    def __init__(self, stream: gzip.GzipFile, packed_bytes: int, limits: ArchiveLimits) -> None:
        self._stream = stream
        self._packed_bytes = max(1, packed_bytes)
        self._limits = limits
        self._position = 0
        self._member_left = 0
        self._last = b""

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, position: int) -> int:
        """Go forwards."""
        if position < self._position:
            raise tarfile.ReadError("its headers lead backwards")
        while self._position < position:
            if not self._take(min(_LARGEST_READ, position - self._position)):
                break
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Read for tarfile."""
        if not 0 <= size <= _LARGEST_READ:
            raise ArchiveRefused(Reason.BOMB, f"a header of it claims {size:,} bytes")
        self._last = self._take(size)
        return self._last

    def start_member(self, offset: int, size: int) -> None:
        """From here on `read_member` reads the bytes of a member."""
        self.seek(offset)
        self._member_left = size

    def read_member(self, size: int) -> bytes:
        """Read bytes of the present member; none at its end."""
        wanted = min(size, self._member_left)
        content = self._take(wanted)
        if len(content) < wanted:
            raise EOFError("it ends inside a member")
        self._member_left -= len(content)
        return content

    def finish(self) -> None:
        """See that the archive ended where tarfile stopped, and that the stream is whole to its checksum."""
        if self._last.strip(b"\0"):
            raise tarfile.ReadError("a header of it makes no sense")
        while self._take(_LARGEST_READ):
            pass
        if self._position % _BLOCK:
            raise EOFError("it ends inside a block")

    def _take(self, size: int) -> bytes:
        pieces, left = [], size
        while left and (piece := self._stream.read(left)):
            pieces.append(piece)
            left -= len(piece)
        content = b"".join(pieces)
        self._position += len(content)
        check_growth(self._position, self._packed_bytes, self._limits)
        return content


def check_growth(unpacked_bytes: int, packed_bytes: int, limits: ArchiveLimits) -> None:
    """Raise `ArchiveRefused` when more came out than the limits allow."""
    if unpacked_bytes > limits.max_total_bytes:
        raise ArchiveRefused(Reason.TOO_LARGE, f"it unpacks to more than {limits.max_total_bytes:,} bytes")
    if unpacked_bytes > limits.ratio_from_bytes and unpacked_bytes > packed_bytes * limits.max_ratio:
        raise ArchiveRefused(Reason.BOMB, f"it unpacks to more than {limits.max_ratio} times its size")
