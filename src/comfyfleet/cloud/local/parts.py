"""Large objects on disk that come in parts: each part is written at its place in one file, so that none is copied.

An upload is a folder `parts/<upload_id>` of the bucket with the file `data` and one empty file a part that is whole.
Parts are not made durable one by one: whoever completes an upload of precious bytes checks their digest.

Whoever writes a part shares a lock on `data`, and completing takes it alone: no byte changes once the object is there.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from comfyfleet.cloud.local.objects import DiskObjectStore, disk_errors
from comfyfleet.cloud.ports import PartedUpload, SignedRequest, StoredObject
from comfyfleet.core.errors import Unavailable
from comfyfleet.core.keys import ObjectNotFound, PartsMissing, WrongSize, check_content_type, check_key
from comfyfleet.core.signing import Grant, sign

PART_CONTENT_TYPE: Final = "application/octet-stream"


class PartsBusy(Unavailable):
    """An upload cannot be completed while parts of it are being sent."""

    code = "parts_busy"


class DiskPartStore:
    """The parted uploads and the index of a disk store's bucket."""

    def __init__(self, store: DiskObjectStore) -> None:
        self._store = store
        self._folder = store.folder / "parts"

    def begin(self, key: str, *, content_type: str, size: int, part_size: int) -> PartedUpload:
        """Begin an upload; see `PartStore`."""
        check_content_type(content_type)
        upload = PartedUpload(check_key(key), secrets.token_hex(16), content_type, size, part_size)
        with disk_errors():
            self._path(upload.upload_id).mkdir(parents=True)
            with self._data(upload.upload_id).open("xb") as file:
                file.truncate(size)
        return upload

    def sign_part(self, upload: PartedUpload, number: int, *, expires_seconds: int) -> SignedRequest:
        """Sign a PUT of a part; see `PartStore`."""
        grant = Grant(
            method="PUT",
            bucket=self._store.bucket,
            key=upload.key,
            expires_at=self._store.expiry(expires_seconds),
            content_type=PART_CONTENT_TYPE,
            size=upload.size_of(number),
            upload=upload.upload_id,
            part=number,
            offset=upload.offset_of(number),
        )
        url = sign(grant, self._store.signing_key)
        return SignedRequest("PUT", url, {"Content-Type": PART_CONTENT_TYPE}, grant.expires_at)

    def write_part(self, upload: PartedUpload, number: int, content: bytes) -> None:
        """Store a part; see `PartStore`."""
        size, offset = upload.size_of(number), upload.offset_of(number)
        with self.open_part(upload.upload_id, number, offset=offset, size=size) as writer:
            writer.write(content)
            writer.commit()

    def open_part(self, upload_id: str, number: int, *, offset: int, size: int) -> "PartWriter":
        """Begin to write a part; raise `ObjectNotFound` when the upload is over."""
        return PartWriter(self._data(upload_id), self._path(upload_id) / str(number), offset, size)

    def parts(self, upload: PartedUpload) -> dict[int, int]:
        """Return the parts that are there; see `PartStore`."""
        try:
            marks = [path.name for path in self._path(upload.upload_id).iterdir() if path.name.isdigit()]
        except FileNotFoundError:
            raise _gone() from None
        return {number: upload.size_of(number) for number in sorted(map(int, marks))}

    def complete(self, upload: PartedUpload) -> None:
        """Make the object of its parts; see `PartStore`."""
        data = self._data(upload.upload_id)
        if not data.exists():
            self._check_completed(upload)
            return
        missing = upload.part_count - len(self.parts(upload))
        if missing:
            raise PartsMissing(f"{missing} of {upload.part_count} parts have not arrived.", hint="Send them first.")
        with disk_errors(), data.open("rb") as file:
            _lock_alone(file)
            os.fsync(file.fileno())
            self._store.put_in_place(data, upload.key, upload.content_type, create_only=False)
            shutil.rmtree(self._path(upload.upload_id))

    def abort(self, upload: PartedUpload) -> None:
        """Drop an upload; see `PartStore`."""
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._path(upload.upload_id))

    def objects(self, prefix: str) -> Iterator[StoredObject]:
        """Yield objects by key; see `ObjectIndex`."""
        top = self._store.path_of("x").parent
        keys = (path.relative_to(top).as_posix() for path in top.rglob("*"))
        for key in sorted(key for key in keys if key.startswith(prefix)):
            found = self._store.head(key)
            if found is not None:
                yield found

    def move(self, key: str, target: str) -> bool:
        """Give an object another key; see `ObjectIndex`."""
        found = self._store.head(key)
        if found is None:
            raise ObjectNotFound(f"There is no object '{key}' in '{self._store.bucket}'.")
        with disk_errors():
            source = self._store.path_of(key)
            was_moved = self._store.put_in_place(source, target, found.content_type, create_only=True)
        if was_moved:
            self._store.forget(key)
        return was_moved

    def _check_completed(self, upload: PartedUpload) -> None:
        found = self._store.head(upload.key)
        if found is None or found.size != upload.size:
            raise _gone()

    def _path(self, upload_id: str) -> Path:
        return self._folder / check_key(upload_id)

    def _data(self, upload_id: str) -> Path:
        return self._path(upload_id) / "data"


class PartWriter:
    """Writes one part at its place. Without a commit the part counts as not sent."""

    def __init__(self, data: Path, mark: Path, offset: int, size: int) -> None:
        self._mark = mark
        self._size = size
        self._written = 0
        self._file = _open_shared(data)
        self._file.seek(offset)

    def write(self, chunk: bytes) -> None:
        """Append bytes; raise `WrongSize` as soon as there are too many, `StorageFull` when there is no room."""
        self._written += len(chunk)
        if self._written > self._size:
            raise self._wrong_size()
        with disk_errors():
            rest = memoryview(chunk)
            while rest:
                rest = rest[self._file.write(rest) :]

    def commit(self) -> None:
        """Count the part as sent."""
        if self._written != self._size:
            raise self._wrong_size()
        try:
            self._mark.touch()
        except FileNotFoundError:
            raise _gone() from None

    def _wrong_size(self) -> WrongSize:
        message = f"{self._written} bytes came, and the part has {self._size}."
        return WrongSize(message, hint="Send exactly the bytes of the part.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def _open_shared(data: Path) -> FileIO:
    try:
        file = FileIO(data, "r+")
    except FileNotFoundError:
        raise _gone() from None
    fcntl.flock(file, fcntl.LOCK_SH)
    if not data.exists() or data.stat().st_ino != os.fstat(file.fileno()).st_ino:
        file.close()  # it became the object after it was opened
        raise _gone()
    return file


def _lock_alone(file: BinaryIO) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise PartsBusy("Parts of this upload are being sent at this moment.", hint="Try again in a moment.") from None


def _gone() -> ObjectNotFound:
    return ObjectNotFound("There is no such upload, or it is over.", hint="Begin a new one.")
