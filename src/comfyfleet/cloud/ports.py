"""What the rooms above need of the world outside, as small Protocols. Adapters live in `local/` and `aws/`."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class StoredObject:
    """What a store knows of one object. `size` is in bytes, `modified_at` in UTC."""

    key: str
    size: int
    content_type: str
    modified_at: datetime


@dataclass(frozen=True)
class SignedRequest:
    """A request that its holder may make until `expires_at` (UTC), with exactly these method, URL and headers.

    `url` is absolute, or a path (`/objects/…`) on the control plane that gave it.
    """

    method: str
    url: str
    headers: dict[str, str]
    expires_at: datetime


@dataclass(frozen=True)
class ObjectPlace:
    """Where an object's bytes can be read: a file on this disk, or a URL that opens by itself for a while."""

    path: Path | None = None
    url: str | None = None


class ObjectSource(Protocol):
    """A bucket that a machine reads; small, so that a machine starts quickly."""

    def locate(self, key: str) -> ObjectPlace:
        """Tell where an object's bytes are; whether there are any, shows when they are read. Safe in threads."""
        ...


class ObjectStore(Protocol):
    """One bucket. Keys are `/`-separated, relative, without empty, `.` or `..` segments; others raise `InvalidKey`."""

    def sign_get(self, key: str, *, expires_seconds: int, filename: str | None = None) -> SignedRequest:
        """Sign a GET (Range allowed); with `filename` that is the name under which a browser saves the answer.

        On disk the URL is good for HEAD, too; on S3 it is not, for S3 signs the method.
        """
        ...

    def sign_put(self, key: str, *, expires_seconds: int, content_type: str, size: int | None = None) -> SignedRequest:
        """Sign a PUT of one object with that content type and, when `size` is given, exactly that many bytes.

        The request must carry the `headers` of the answer. A single PUT to S3 holds 5 GiB at most.

        Raises:
            InvalidKey: The key is none.
            Invalid: The content type is none.
        """
        ...

    def head(self, key: str) -> StoredObject | None:
        """Return what is known of the object, or None when there is none."""
        ...

    def read(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        """Return a small object whole, or at most `length` bytes of one from `start` on: none beyond its end.

        Raises:
            ObjectNotFound: There is none.
        """
        ...

    def write(self, key: str, content: bytes, *, content_type: str, create_only: bool = False) -> bool:
        """Store a small object atomically. With `create_only` an existing object stays and False is returned.

        Of several that create one key at once, one is told True.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove the object; one that does not exist is no error."""
        ...


@dataclass(frozen=True)
class PartedUpload:
    """An object that comes in parts of `part_size` bytes, the last one shorter, of `size` bytes in all."""

    key: str
    upload_id: str
    content_type: str
    size: int
    part_size: int

    @property
    def part_count(self) -> int:
        """How many parts there are; they are numbered from 1 on."""
        return -(-self.size // self.part_size)

    def offset_of(self, number: int) -> int:
        """Return where a part begins."""
        return (number - 1) * self.part_size

    def size_of(self, number: int) -> int:
        """Return how many bytes a part has."""
        return min(self.part_size, self.size - self.offset_of(number))


class PartStore(Protocol):
    """Large objects of one bucket, sent in parts, in any order and by several connections at once."""

    def begin(self, key: str, *, content_type: str, size: int, part_size: int) -> PartedUpload:
        """Begin an upload; nothing is visible before `complete`. S3 takes parts from 5 MiB on, 10,000 at most."""
        ...

    def sign_part(self, upload: PartedUpload, number: int, *, expires_seconds: int) -> SignedRequest:
        """Sign a PUT of exactly one part. It may be sent again with the same bytes; of others any may count."""
        ...

    def write_part(self, upload: PartedUpload, number: int, content: bytes) -> None:
        """Store a part ourselves; raise `WrongSize` unless it has the bytes of that part."""
        ...

    def parts(self, upload: PartedUpload) -> dict[int, int]:
        """Return the sizes of the parts that are in the store, by number; raise `ObjectNotFound` for a lost upload."""
        ...

    def complete(self, upload: PartedUpload) -> None:
        """Make the object of its parts. A second call is no error.

        Raises:
            PartsMissing: Parts are not there, or have another size.
            ObjectNotFound: The upload was aborted.
        """
        ...

    def abort(self, upload: PartedUpload) -> None:
        """Drop an upload and its parts; one that does not exist is no error."""
        ...


class ObjectIndex(Protocol):
    """What can be done with objects without moving their bytes through us."""

    def objects(self, prefix: str) -> Iterator[StoredObject]:
        """Yield the objects whose keys begin with `prefix`, by key; their content types may be left empty."""
        ...

    def move(self, key: str, target: str) -> bool:
        """Give an object another key, create-only: return False, and leave both, when the target exists.

        Raises:
            ObjectNotFound: There is no such object.
        """
        ...
