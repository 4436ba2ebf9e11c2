"""What the rooms above need of the world outside, as small Protocols. Adapters live in `local/` and `aws/`."""

from dataclasses import dataclass
from datetime import datetime
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

    def read(self, key: str) -> bytes:
        """Return a small object whole; raise `ObjectNotFound` when there is none."""
        ...

    def write(self, key: str, content: bytes, *, content_type: str, create_only: bool = False) -> bool:
        """Store a small object atomically. With `create_only` an existing object stays and False is returned.

        Of several that create one key at once, one is told True.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove the object; one that does not exist is no error."""
        ...
