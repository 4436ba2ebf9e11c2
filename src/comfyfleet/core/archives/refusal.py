"""Why an archive is not unpacked."""

from enum import StrEnum
from typing import Final

from comfyfleet.core.errors import Invalid

_SHOWN_CHARACTERS: Final = 120


class Reason(StrEnum):
    """What is wrong with an archive; docs/concepts/archives.md tells each."""

    PATH = "path"
    COLLISION = "collision"
    LINK = "link"
    DEVICE = "device"
    KIND = "kind"
    ENCRYPTED = "encrypted"
    METHOD = "method"
    BOMB = "bomb"
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"
    MISMATCH = "mismatch"
    OVERLAP = "overlap"
    FOREIGN = "foreign"
    CORRUPT = "corrupt"
    EMPTY = "empty"


class ArchiveRefused(Invalid):
    """The archive could harm the machine, or is broken. Nothing of it is left.

    `member` is the name in the archive that it is refused for, if it is one.
    """

    code = "archive_refused"

    def __init__(self, reason: Reason, what: str, member: str | None = None) -> None:
        subject = "it" if member is None else repr(member[:_SHOWN_CHARACTERS])  # repr: names go to terminals
        super().__init__(
            f"The archive is refused ({reason.value}): {subject} {what}.",
            hint="Make it anew, or get it from its author again.",
        )
        self.reason = reason
        self.member = member


def broken(what: str, member: str | None = None) -> ArchiveRefused:
    """Return the refusal of an archive that cannot be read."""
    return ArchiveRefused(Reason.CORRUPT, what, member)
