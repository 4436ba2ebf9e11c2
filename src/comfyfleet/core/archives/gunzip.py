"""The bytes of a gzip file, front to back: metered, and checked to the last one."""

import zlib
from typing import BinaryIO, Final

from comfyfleet.core.archives.limits import Meter
from comfyfleet.core.archives.refusal import ArchiveRefused, Reason, broken

_GZIP: Final = 16 + zlib.MAX_WBITS
_IN_BYTES: Final = 64 * 2**10
_OUT_BYTES: Final = 256 * 2**10


class Gunzip:
    """Reads one gzip member; another one behind it, or anything but zeros, is refused.

    Whether programs read on behind the first member differs, so two of them could see two archives.
    """

    def __init__(self, file: BinaryIO, meter: Meter) -> None:
        self._file = file
        self._meter = meter
        self._zlib = zlib.decompressobj(_GZIP)
        self._packed = b""
        self._out = memoryview(b"")

    def read(self, size: int) -> memoryview:
        """Return up to `size` bytes; none at the end only."""
        if not self._out:
            self._out = memoryview(self._inflate())
        taken, self._out = self._out[:size], self._out[size:]
        return taken

    def read_whole(self, size: int) -> bytes:
        """Return `size` bytes, or fewer at the end. `size` is small."""
        content = b""
        while len(content) < size and (piece := self.read(size - len(content))):
            content += piece
        return content

    def check_rest(self) -> None:
        """Raise `ArchiveRefused` unless nothing but zeros follow, inside the stream and behind it."""
        while piece := self.read(_OUT_BYTES):
            if any(piece):
                raise ArchiveRefused(Reason.FOREIGN, "holds bytes behind the end of its members")
        rest = self._zlib.unused_data
        while rest:
            if any(rest):
                raise ArchiveRefused(Reason.FOREIGN, "holds bytes behind the end of its gzip stream")
            rest = self._file.read(_IN_BYTES)

    def _inflate(self) -> bytes:
        while not self._zlib.eof:
            self._packed = self._packed or self._file.read(_IN_BYTES)
            is_over = not self._packed
            try:
                content = self._zlib.decompress(self._packed, _OUT_BYTES)
            except zlib.error as error:
                raise broken(f"cannot be unpacked ({error})") from error
            self._packed = self._zlib.unconsumed_tail
            self._meter.count(len(content))
            if content:
                return content
            if is_over and not self._zlib.eof:
                raise broken("is cut off")
        return b""
