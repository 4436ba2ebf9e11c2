"""Lists an archive: what is in it, by its headers; nothing is unpacked."""

import gzip
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from comfyfleet.core.errors import FleetError
from comfyfleet.core.paths import check_relative_path

_MOST_MEMBERS: Final = 50_000
_MOST_READ_BYTES: Final = 2 * 2**30  # of a tar.gz, which has to be unpacked in passing to be listed
_SHOWN: Final = 40
_LARGEST_READ: Final = 4 * 2**20
_BROKEN: Final = (
    tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, gzip.BadGzipFile, ValueError, OverflowError,
    RecursionError, KeyError, NotImplementedError,
)  # fmt: skip
_MARKS: Final = ("__init__.py", "pyproject.toml", "requirements.txt", "install.py")


@dataclass(frozen=True)
class _Listed:
    path: str
    size: int
    is_plain: bool


def list_archive(file: BinaryIO, filename: str) -> dict[str, Any]:
    """Return the number of members, their bytes, the top folders, what marks a custom node, and problems."""
    members: list[_Listed] = []
    problem = ""
    try:
        for member in _zip(file) if filename.lower().endswith(".zip") else _tar(file):
            members.append(member)
            if len(members) > _MOST_MEMBERS:
                problem = f"it has more than {_MOST_MEMBERS:,} members"
                break
    except _BROKEN as error:
        problem = f"it is broken or cut off ({str(error)[:200] or type(error).__name__})"
    problems = [problem] if problem else []
    problems += _problems(members)
    files = [member.path.removeprefix("./") for member in members]
    marks = sorted({path.rpartition("/")[2] for path in files if path.count("/") <= 1} & set(_MARKS))
    return {
        "members": len(members),
        "unpacked_bytes": sum(member.size for member in members),
        "tops": sorted({path.partition("/")[0] for path in files if path})[:_SHOWN],
        "marks": marks,
        "is_custom_node": "__init__.py" in marks,
        "problems": problems[:_SHOWN],
    }


def _problems(members: list[_Listed]) -> list[str]:
    found: list[str] = []
    for member in members:
        path = member.path.removeprefix("./").rstrip("/")
        if not member.is_plain:
            found.append(f"{path[:120]} is a link or a device")
        try:
            if path not in {"", "."}:
                check_relative_path(path, "name")
        except FleetError as error:
            found.append(error.message)
        if len(found) >= _SHOWN:
            break
    return found


def _zip(file: BinaryIO) -> Iterator[_Listed]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            yield _Listed(info.orig_filename, info.file_size, kind in {0, stat.S_IFREG, stat.S_IFDIR})


def _tar(file: BinaryIO) -> Iterator[_Listed]:
    with gzip.GzipFile(fileobj=file) as stream, tarfile.open(fileobj=_Forward(stream), mode="r|") as archive:
        while (info := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined]  # it would grow with the archive
            yield _Listed(info.name, info.size, info.isreg() or info.isdir())


class _Forward:
    """The unpacked stream, up to a bound."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream
        self._left = _MOST_READ_BYTES

    def read(self, size: int) -> bytes:
        """Read at most a few MiB."""
        content = self._stream.read(min(size, _LARGEST_READ))
        self._left -= len(content)
        if self._left < 0:
            raise ValueError(f"it unpacks to more than {_MOST_READ_BYTES:,} bytes")
        return content
