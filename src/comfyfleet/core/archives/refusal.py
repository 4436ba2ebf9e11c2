"""Why an archive is not unpacked."""

from enum import StrEnum

from comfyfleet.core.errors import Invalid


class Reason(StrEnum):
    """What is wrong with an archive."""

    PATH = "path"
    LINK = "link"
    DEVICE = "device"
    COLLISION = "collision"
    BOMB = "bomb"
    TOO_MANY = "too_many"
    TOO_LARGE = "too_large"
    ENCRYPTED = "encrypted"
    METHOD = "method"
    CORRUPT = "corrupt"
    EMPTY = "empty"


class ArchiveRefused(Invalid):
    """The archive could harm the machine, or is broken. Nothing of it is left."""

    code = "archive_refused"

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(f"The archive is refused: {message}.", hint="Make it anew, or get it from its author again.")
        self.reason = reason


def corrupt(error: BaseException) -> ArchiveRefused:
    """Return the refusal of an archive that a library could not read."""
    return ArchiveRefused(Reason.CORRUPT, f"it is broken or cut off ({str(error) or type(error).__name__})")
