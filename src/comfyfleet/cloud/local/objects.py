"""Objects in a folder on disk, reached by signed URLs that the control plane serves.

A bucket's folder holds `data/<key>`, `types/<key>` (the content type) and `incoming/` (what is being written).
The type is written before the object becomes visible, and the object by one rename, so that a crash at any
moment leaves the old object, or the new one, whole.
"""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from comfyfleet.cloud.local.disk import sync_folder
from comfyfleet.cloud.ports import SignedRequest, StoredObject
from comfyfleet.core.errors import Invalid, Unavailable
from comfyfleet.core.keys import ObjectNotFound, check_key
from comfyfleet.core.signing import Grant, sign

_DEFAULT_TYPE = "application/octet-stream"


class StorageFull(Unavailable):
    """The disk has no room, or refuses to write."""

    code = "storage_full"


class WrongSize(Invalid):
    """More or fewer bytes came than were announced."""

    code = "wrong_size"


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
        self._folder = root / check_key(bucket)
        for name in ("data", "types", "incoming"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)

    def sign_get(self, key: str, *, expires_seconds: int, filename: str | None = None) -> SignedRequest:
        """Sign a GET; see `ObjectStore`."""
        grant = Grant("GET", self.bucket, check_key(key), self._expiry(expires_seconds), filename=filename)
        return SignedRequest("GET", sign(grant, self.signing_key), {}, grant.expires_at)

    def sign_put(self, key: str, *, expires_seconds: int, content_type: str, size: int | None = None) -> SignedRequest:
        """Sign a PUT; see `ObjectStore`."""
        grant = Grant(
            "PUT", self.bucket, check_key(key), self._expiry(expires_seconds), content_type=content_type, size=size
        )
        return SignedRequest("PUT", sign(grant, self.signing_key), {"Content-Type": content_type}, grant.expires_at)

    def head(self, key: str) -> StoredObject | None:
        """Describe an object, or return None."""
        try:
            status = self.path_of(key).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        modified_at = datetime.fromtimestamp(status.st_mtime, UTC)
        return StoredObject(key, status.st_size, self._type_of(key), modified_at)

    def read(self, key: str) -> bytes:
        """Return an object whole."""
        try:
            return self.path_of(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise ObjectNotFound(f"There is no object '{key}' in '{self.bucket}'.") from None

    def write(self, key: str, content: bytes, *, content_type: str, create_only: bool = False) -> bool:
        """Store an object atomically; see `ObjectStore`."""
        with self.open_write(key, content_type=content_type, size=len(content)) as writer:
            writer.write(content)
            return writer.commit(create_only=create_only)

    def delete(self, key: str) -> None:
        """Remove an object."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            self.path_of(key).unlink()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            self.type_path_of(key).unlink()

    def path_of(self, key: str) -> Path:
        """Return where an object's bytes lie."""
        return self._folder / "data" / check_key(key)

    def type_path_of(self, key: str) -> Path:
        """Return where an object's content type lies."""
        return self._folder / "types" / check_key(key)

    def open_write(self, key: str, *, content_type: str, size: int | None = None) -> "DiskWriter":
        """Begin to write an object of exactly `size` bytes, if given; nothing is visible before `commit`."""
        check_key(key)
        return DiskWriter(self, self._folder / "incoming" / secrets.token_hex(16), key, content_type, size)

    def _expiry(self, seconds: int) -> datetime:
        return (self.now() + timedelta(seconds=seconds)).replace(microsecond=0)

    def _type_of(self, key: str) -> str:
        try:
            return self.type_path_of(key).read_text()
        except (FileNotFoundError, NotADirectoryError):
            return _DEFAULT_TYPE


class DiskWriter:
    """Writes one object. Leaving the `with` block without a commit leaves nothing behind."""

    def __init__(self, store: DiskObjectStore, temporary: Path, key: str, content_type: str, size: int | None) -> None:
        self._store = store
        self._temporary = temporary
        self._key = key
        self._content_type = content_type
        self._size = size
        self._written = 0
        self._file = temporary.open("xb")

    def write(self, chunk: bytes) -> None:
        """Append bytes; raise `WrongSize` as soon as there are too many, `StorageFull` when there is no room."""
        self._written += len(chunk)
        if self._size is not None and self._written > self._size:
            raise self._wrong_size()
        with _disk_errors():
            self._file.write(chunk)

    def commit(self, *, create_only: bool = False) -> bool:
        """Make the object durable and visible; return False when `create_only` and there was one already."""
        if self._size is not None and self._written != self._size:
            raise self._wrong_size()
        target = self._store.path_of(self._key)
        with _disk_errors():
            self._file.flush()
            os.fsync(self._file.fileno())
            if create_only and target.exists():
                return False
            _write_durably(self._store.type_path_of(self._key), self._content_type, self._temporary)
            target.parent.mkdir(parents=True, exist_ok=True)
            return self._publish(target, create_only=create_only)

    def _publish(self, target: Path, *, create_only: bool) -> bool:
        if create_only:
            try:
                os.link(self._temporary, target)
            except FileExistsError:
                return False
        else:
            self._temporary.replace(target)
        sync_folder(target.parent)
        return True

    def _wrong_size(self) -> WrongSize:
        return WrongSize(
            f"{self._written} bytes came, and {self._size} were announced.", hint="Send exactly the announced bytes."
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # a full disk refuses the last flush, too; the file goes in any case
            self._file.close()
        self._temporary.unlink(missing_ok=True)


def _write_durably(target: Path, text: str, temporary: Path) -> None:
    side = temporary.with_suffix(".type")
    target.parent.mkdir(parents=True, exist_ok=True)
    with side.open("x") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    side.replace(target)


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise Invalid(f"An object stands in the way: {error.strerror}.", hint="Use another key.") from error
    except OSError as error:
        raise StorageFull(f"The disk refuses to write: {error.strerror}.", hint="Make room and try again.") from error
