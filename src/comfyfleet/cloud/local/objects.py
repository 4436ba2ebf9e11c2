"""Objects in a folder on disk, reached by signed URLs that the control plane serves.

A bucket's folder holds `data/<key>`, `types/<key>` (see `content_types`), `incoming/` (what is being written) and
`lock` (held while an object is put in place or removed). Bytes arrive in a file of their own that is renamed when
it is whole and durable, so that a crash at any moment leaves the old object or the new one, each with its own type.

Unlike S3, a folder cannot hold both `a` and `a/b`: the second is refused.
"""

import contextlib
import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from comfyfleet.cloud.local.content_types import ContentTypes
from comfyfleet.cloud.local.disk import sync
from comfyfleet.cloud.local.folders import make_folders, prune
from comfyfleet.cloud.ports import SignedRequest, StoredObject
from comfyfleet.core.errors import Invalid, Unavailable
from comfyfleet.core.keys import ObjectNotFound, WrongSize, check_content_type, check_key
from comfyfleet.core.signing import Grant, sign

_ABANDONED: Final = timedelta(days=1)
_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class StorageFull(Unavailable):
    """The disk has no room, or refuses to write."""

    code = "storage_full"


class DiskObjectStore:
    """One bucket as a folder below `root`."""

    def __init__(
        self,
        root: Path,
        bucket: str,
        signing_key: bytes,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.bucket = bucket
        self.signing_key = signing_key
        self.now = now
        self.folder = root / check_key(bucket)
        self._data = self.folder / "data"
        self._incoming = self.folder / "incoming"
        self._types = ContentTypes(self.folder / "types", self._incoming)
        for folder in (self._data, self._types.folder, self._incoming):
            folder.mkdir(parents=True, exist_ok=True)
        self._drop_abandoned()

    def sign_get(self, key: str, *, expires_seconds: int, filename: str | None = None) -> SignedRequest:
        """Sign a GET; see `ObjectStore`."""
        grant = Grant("GET", self.bucket, check_key(key), self.expiry(expires_seconds), filename=filename)
        return SignedRequest("GET", sign(grant, self.signing_key), {}, grant.expires_at)

    def sign_put(self, key: str, *, expires_seconds: int, content_type: str, size: int | None = None) -> SignedRequest:
        """Sign a PUT; see `ObjectStore`."""
        check_content_type(content_type)
        grant = Grant(
            "PUT", self.bucket, check_key(key), self.expiry(expires_seconds), content_type=content_type, size=size
        )
        return SignedRequest("PUT", sign(grant, self.signing_key), {"Content-Type": content_type}, grant.expires_at)

    def head(self, key: str) -> StoredObject | None:
        """Describe an object, or return None."""
        status = self._status(key)
        if status is None:
            return None
        modified_at = datetime.fromtimestamp(status.st_mtime, UTC)
        return StoredObject(key, status.st_size, self._types.of(key, status.st_ino), modified_at)

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        """Return an object whole or in part; see `ObjectStore`."""
        try:
            with self.path_of(key).open("rb") as file:
                file.seek(start)
                return file.read(length)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise ObjectNotFound(f"There is no object '{key}' in '{self.bucket}'.") from None

    def write(self, key: str, content: bytes, *, content_type: str, create_only: bool = False) -> bool:
        """Store an object atomically; see `ObjectStore`."""
        with self.open_write(key, content_type=content_type, size=len(content)) as writer:
            writer.write(content)
            return writer.commit(create_only=create_only)

    def delete(self, key: str) -> None:
        """Remove an object, and the folders that it leaves empty: their names may become keys."""
        with disk_errors(), self._alone():
            if self._status(key) is None:
                return
            self.path_of(key).unlink()
            prune(self.path_of(key).parent, self._data)
            self._types.forget(key)

    def forget(self, key: str) -> None:
        """Drop what is left of an object whose file was put elsewhere."""
        with disk_errors(), self._alone():
            if self._status(key) is None:
                prune(self.path_of(key).parent, self._data)
                self._types.forget(key)

    def path_of(self, key: str) -> Path:
        """Return where an object's bytes lie."""
        return self._data / check_key(key)

    def open_write(
        self, key: str, *, content_type: str, size: int | None = None, max_size: int | None = None
    ) -> "DiskWriter":
        """Begin to write an object of exactly `size` bytes or at most `max_size`, where given.

        Nothing is visible before the writer's `commit`.
        """
        check_key(key)
        check_content_type(content_type)
        with disk_errors():
            return DiskWriter(self, self._incoming / secrets.token_hex(16), key, content_type, size, max_size)

    def put_in_place(self, temporary: Path, key: str, content_type: str, *, create_only: bool) -> bool:
        """Make a whole and durable file the object; return False when `create_only` and there is one already."""
        target = self.path_of(key)
        with self._alone():
            present = self._status(key)
            if create_only and present is not None:
                return False
            inode = temporary.stat().st_ino
            self._types.record(key, inode, content_type, present_inode=present.st_ino if present else None)
            make_folders(target.parent)
            temporary.replace(target)
            sync(target.parent)
        return True

    def _status(self, key: str) -> os.stat_result | None:
        try:
            status = self.path_of(key).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return status if stat.S_ISREG(status.st_mode) else None  # a folder is a part of other objects' keys

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep every other thread and process from changing what is in place."""
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _drop_abandoned(self) -> None:
        """Remove what a process that was killed had begun to write; a live upload touches its file."""
        oldest = (self.now() - _ABANDONED).timestamp()
        for path in self._incoming.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    path.unlink()

    def expiry(self, seconds: int) -> datetime:
        """Return when a URL that is signed now ends."""
        return (self.now() + timedelta(seconds=seconds)).replace(microsecond=0)


class DiskWriter:
    """Writes one object. Leaving the `with` block without a commit leaves nothing behind."""

    def __init__(
        self,
        store: DiskObjectStore,
        temporary: Path,
        key: str,
        content_type: str,
        size: int | None,
        max_size: int | None,
    ) -> None:
        self._store = store
        self._temporary = temporary
        self._key = key
        self._content_type = content_type
        self._size = size
        self._limit = size if size is not None else max_size
        self._written = 0
        self._file = temporary.open("xb")

    def write(self, chunk: bytes) -> None:
        """Append bytes; raise `WrongSize` as soon as there are too many, `StorageFull` when there is no room."""
        self._written += len(chunk)
        if self._limit is not None and self._written > self._limit:
            raise self._wrong_size()
        with disk_errors():
            self._file.write(chunk)

    def commit(self, *, create_only: bool = False) -> bool:
        """Make the object durable and visible; return False when `create_only` and there was one already."""
        if self._size is not None and self._written != self._size:
            raise self._wrong_size()
        with disk_errors():
            self._file.flush()
            os.fsync(self._file.fileno())
            return self._store.put_in_place(self._temporary, self._key, self._content_type, create_only=create_only)

    def abort(self) -> None:
        """Drop what was written and not committed; after a commit there is nothing to drop."""
        with contextlib.suppress(OSError):  # a full disk refuses the last flush, too; the file goes in any case
            self._file.close()
        self._temporary.unlink(missing_ok=True)

    def _wrong_size(self) -> WrongSize:
        if self._size is None:
            return WrongSize(f"More than {self._limit} bytes came.", hint="Send a smaller file.")
        return WrongSize(
            f"{self._written} bytes came, and {self._size} were announced.", hint="Send exactly the announced bytes."
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()


@contextlib.contextmanager
def disk_errors() -> Iterator[None]:
    """Turn the disk's errors into ours."""
    try:
        yield
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise Invalid("An object of a longer or shorter path stands in the way.", hint="Use another key.") from error
    except OSError as error:
        hint = "Make room on the disk" if error.errno in _FULL else "Look at the disk and at the folder's permissions"
        raise StorageFull(f"The disk refuses to write: {error.strerror}.", hint=f"{hint} and try again.") from error
