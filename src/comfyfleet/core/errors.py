"""Errors named after what went wrong. Each is one of five kinds, has a stable code and says what to do next."""

from enum import StrEnum
from typing import ClassVar


class ErrorKind(StrEnum):
    """What a caller can do about an error; the HTTP status follows from it in one place."""

    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    INVALID = "invalid"
    FORBIDDEN = "forbidden"
    UNAVAILABLE = "unavailable"


class FleetError(Exception):
    """Base of every error that a person or a program is shown.

    Subclasses set `kind` and `code`; the message says what went wrong and `hint` what to do next.
    """

    kind: ClassVar[ErrorKind] = ErrorKind.INVALID
    code: ClassVar[str] = "invalid"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class NotFound(FleetError):
    """What was named does not exist, or is not the caller's to see."""

    kind = ErrorKind.NOT_FOUND
    code = "not_found"


class Conflict(FleetError):
    """The request is well formed but contradicts the present state."""

    kind = ErrorKind.CONFLICT
    code = "conflict"


class Invalid(FleetError):
    """The request itself is wrong."""

    kind = ErrorKind.INVALID
    code = "invalid"


class Forbidden(FleetError):
    """The caller is unknown or may not do this."""

    kind = ErrorKind.FORBIDDEN
    code = "forbidden"


class Unavailable(FleetError):
    """Something that we depend on does not answer; trying again later can help."""

    kind = ErrorKind.UNAVAILABLE
    code = "unavailable"
