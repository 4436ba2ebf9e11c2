"""What `torch.save` writes: a zip with a folder and, in it, `data.pkl` and the tensors' bytes."""

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO, Final

from comfyfleet.server.assets.inspection.bounded import BoundedFile, ReadsTooMuch

ZIP_START: Final = b"PK\x03\x04"
MAX_PICKLE_BYTES: Final = 8 * 2**20
BROKEN: Final = (
    ValueError, EOFError, KeyError, IndexError, TypeError, AttributeError, struct.error, zipfile.BadZipFile,
    zlib.error, OverflowError, RecursionError, NotImplementedError, RuntimeError, AssertionError,
)  # fmt: skip
"""What the standard library's readers of pickles and zips raise at broken bytes."""

# Torch finds names in a zip whatever their case, so the pickle's name is compared likewise.
_ROOT_PICKLE: Final = re.compile(r"[^/]+/data\.pkl", re.IGNORECASE)
_PICKLE_SUFFIXES: Final = frozenset({".pkl", ".pickle", ".joblib"})
_LARGEST_DIRECTORY: Final = 4 * 2**20
_PIECE_BYTES: Final = 2**20
_MOST_READ: Final = 64 * 2**20
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})


def is_torch_zip(file: BinaryIO) -> bool:
    """Tell whether a file is a zip that torch would load."""
    file.seek(0)
    if file.read(len(ZIP_START)) != ZIP_START:
        return False
    try:
        with _open(file) as archive:
            return any(_ROOT_PICKLE.fullmatch(info.orig_filename) for info in archive.infolist())
    except BROKEN:
        return False


def pickles_in(file: BinaryIO) -> Iterator[bytes]:
    """Yield each pickle of a zip that torch would load; no other member is read.

    Raises:
        ReadsTooMuch: One is too large, or the zip could be read in two ways.
        Exception: One of `BROKEN`, when it is damaged.
    """
    with _open(file) as archive:
        infos = archive.infolist()
        _check_order(infos, archive.start_dir)
        if not any(_ROOT_PICKLE.fullmatch(info.orig_filename) for info in infos):
            raise ReadsTooMuch("there is no pickle in it")
        for info in infos:
            if PurePosixPath(info.orig_filename.lower()).suffix in _PICKLE_SUFFIXES:
                yield _read(archive, info)


def _open(file: BinaryIO) -> zipfile.ZipFile:
    file.seek(0)
    return zipfile.ZipFile(BoundedFile(file, largest=_LARGEST_DIRECTORY, total=_MOST_READ))


def _check_order(infos: list[zipfile.ZipInfo], directory_start: int) -> None:
    """See that members lie one after another from the first byte on: what else lies there, another reader may find."""
    ordered = sorted(infos, key=lambda info: info.header_offset)
    ends = [*(info.header_offset for info in ordered[1:]), directory_start]
    if not ordered or ordered[0].header_offset != 0:
        raise ReadsTooMuch("something stands before its first member")
    if any(info.header_offset + info.compress_size > end for info, end in zip(ordered, ends, strict=True)):
        raise ReadsTooMuch("one of its members lies inside another")


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    name = info.orig_filename[:120]
    if info.flag_bits & 0x1 or info.compress_type not in _METHODS:
        raise ReadsTooMuch(f"{name!r} is encrypted, or packed in an unusual way")
    content = bytearray()
    with archive.open(info) as member:
        while len(content) <= MAX_PICKLE_BYTES and (piece := member.read(_PIECE_BYTES)):
            content += piece
    if len(content) > MAX_PICKLE_BYTES:
        raise ReadsTooMuch(f"{name!r} has more than {MAX_PICKLE_BYTES:,} bytes")
    return bytes(content)
