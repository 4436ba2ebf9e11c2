"""Pickles run code when they are loaded. They are taken apart here, and never loaded."""

import io
import logging
import pickletools
import struct
import zipfile
import zlib
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Final

from picklescan.scanner import SafetyLevel, ScanResult, scan_bytes

_LARGEST_READ: Final = 64 * 2**20
_LARGEST_SCAN: Final = 512 * 2**20
_MOST_MEMBERS: Final = 100_000
_SHOWN: Final = 50
_ZIP: Final = b"PK\x03\x04"
_BROKEN: Final = (
    ValueError, EOFError, KeyError, IndexError, TypeError, AttributeError, struct.error, zipfile.BadZipFile,
    zlib.error, OverflowError, RecursionError, NotImplementedError, RuntimeError, AssertionError,
)  # fmt: skip

logging.getLogger("picklescan").setLevel(logging.CRITICAL)  # what it finds is in its result


class Verdict(StrEnum):
    """What loading a pickle would do, by the names that it imports."""

    SAFE = "safe"
    SUSPICIOUS = "suspicious"
    DANGEROUS = "dangerous"
    UNSCANNABLE = "unscannable"


class _TooMuch(ValueError):
    """The scan would read more than is good for us."""


def is_raw_pickle(head: bytes) -> bool:
    """Tell whether a file begins as a pickle of protocol 2 or later."""
    return len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= 5


def is_torch_zip(file: BinaryIO, head: bytes) -> bool:
    """Tell whether a file is what `torch.save` writes: a zip with a `data.pkl`."""
    if not head.startswith(_ZIP):
        return False
    try:
        with zipfile.ZipFile(file) as archive:
            return any(PurePosixPath(name).name == "data.pkl" for name in archive.namelist()[:_MOST_MEMBERS])
    except _BROKEN:
        return False
    finally:
        file.seek(0)


def scan(file: BinaryIO, filename: str, size: int) -> tuple[Verdict, dict[str, Any]]:
    """Return what loading the file would do, and the names that it imports.

    What cannot be taken apart within bounds is unscannable: an attack could hide in it.
    """
    try:
        _check_zip(file)
        result = scan_bytes(_Bounded(file), filename, PurePosixPath(filename).suffix.lower())
    except _BROKEN as error:
        return Verdict.UNSCANNABLE, {"problem": str(error)[:300] or type(error).__name__}
    return _verdict(file, result, size)


def _verdict(file: BinaryIO, result: ScanResult, size: int) -> tuple[Verdict, dict[str, Any]]:
    dangerous = _names(result, SafetyLevel.Dangerous)
    suspicious = _names(result, SafetyLevel.Suspicious)
    findings = {"dangerous": dangerous[:_SHOWN], "suspicious": suspicious[:_SHOWN]}
    if dangerous:
        return Verdict.DANGEROUS, findings
    if result.scan_err:
        return Verdict.UNSCANNABLE, {**findings, "problem": "a pickle in it cannot be taken apart"}
    if not result.globals and not _is_whole_pickle(file, size):
        return Verdict.UNSCANNABLE, {"problem": "no pickle was found in it"}
    return (Verdict.SUSPICIOUS if suspicious else Verdict.SAFE), findings


def _names(result: ScanResult, level: SafetyLevel) -> list[str]:
    return sorted({f"{one.module}.{one.name}" for one in result.globals if one.safety is level})


def _check_zip(file: BinaryIO) -> None:
    """See that a zip's pickles are small enough to be taken apart, and that nothing in it is hidden from a scan."""
    file.seek(0)
    is_zip = file.read(4) == _ZIP
    file.seek(0)
    if not is_zip:
        return
    with zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
        if len(infos) > _MOST_MEMBERS:
            raise _TooMuch(f"it has {len(infos):,} members")
        for info in infos:
            if info.flag_bits & 0x1:
                raise _TooMuch(f"{info.filename[:120]!r} is encrypted")
            if info.filename.endswith(".pkl") and info.file_size > _LARGEST_READ:
                raise _TooMuch(f"{info.filename[:120]!r} has {info.file_size:,} bytes")
    file.seek(0)


def _is_whole_pickle(file: BinaryIO, size: int) -> bool:
    """Tell whether a file without imports is a pickle to its end (of numbers and texts), or a zip that was scanned."""
    file.seek(0)
    head = file.read(4)
    if head == _ZIP:
        return True
    file.seek(0)
    if size > _LARGEST_READ:
        return False
    try:
        for _ in pickletools.genops(file.read(size)):
            pass
    except _BROKEN:
        return False
    return True


class _Bounded(io.RawIOBase):
    """A file that is read in bounds: no single read is huge, and neither are all together."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._left = _LARGEST_SCAN

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int | None = -1) -> bytes:
        wanted = _LARGEST_READ + 1 if size is None or size < 0 else size
        if wanted > _LARGEST_READ:
            content = self._file.read(wanted) if wanted == _LARGEST_READ + 1 else b""
            if not content or len(content) > _LARGEST_READ:
                raise _TooMuch(f"a part of it claims {wanted:,} bytes or more")
        else:
            content = self._file.read(wanted)
        self._left -= len(content)
        if self._left < 0:
            raise _TooMuch("too much of it would have to be taken apart")
        return content

    def readline(self, size: int | None = -1) -> bytes:
        limit = _LARGEST_READ if size is None or size < 0 else min(size, _LARGEST_READ)
        line = bytearray()
        while len(line) < limit:
            character = self.read(1)
            line += character
            if character in {b"\n", b""}:
                break
        return bytes(line)
