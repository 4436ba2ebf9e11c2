"""A folder as a bucket: files are objects, their paths are keys."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path


@dataclass(frozen=True)
class Stored:
    """One object: its key, size in bytes, and when it was written, in nanoseconds since 1970."""

    key: str
    size: int
    modified_ns: int

    @property
    def etag(self) -> str:
        """What S3 gives an object that was uploaded in parts: no MD5 of the whole, and clients do not take it so."""
        return f'"{self.modified_ns & (2**64 - 1):016x}{self.size & (2**64 - 1):016x}-1"'

    @property
    def modified_iso(self) -> str:
        """The time of the last change, as listings write it."""
        return datetime.fromtimestamp(self.modified_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")

    @property
    def modified_http(self) -> str:
        """The time of the last change, as headers write it."""
        return formatdate(self.modified_ns // 10**9, usegmt=True)


class Folder:
    """All buckets: the folders of one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def has_bucket(self, bucket: str) -> bool:
        """Say whether there is such a bucket."""
        return is_plain(bucket) and (self._root / bucket).is_dir()

    def buckets(self) -> list[str]:
        """Return the names of all buckets."""
        return sorted(path.name for path in self._root.iterdir() if path.is_dir())

    def objects(self, bucket: str) -> Iterator[Stored]:
        """Yield all objects of a bucket, in any order."""
        top = self._root / bucket
        for folder, _, names in os.walk(top):
            for name in names:
                path = Path(folder, name)
                status = path.stat()
                yield Stored(path.relative_to(top).as_posix(), status.st_size, status.st_mtime_ns)

    def open(self, bucket: str, key: str) -> tuple[int, Stored] | None:
        """Return an open file that the caller closes, and what it is; None where there is no such object."""
        if not all(is_plain(part) for part in (bucket, *key.split("/"))):
            return None
        try:
            file = os.open(f"{self._root}/{bucket}/{key}", os.O_RDONLY)
        except (FileNotFoundError, NotADirectoryError):
            return None
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            os.close(file)
            return None
        return file, Stored(key, status.st_size, status.st_mtime_ns)


def is_plain(part: str) -> bool:
    """Say whether a part of a key leads neither up nor nowhere."""
    return part not in {"", ".", ".."} and "\0" not in part
