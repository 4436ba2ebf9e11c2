"""How much an archive may become, counted on the bytes that really come out of it."""

from dataclasses import dataclass

from comfyfleet.core.archives.refusal import ArchiveRefused, Reason


@dataclass(frozen=True)
class ArchiveLimits:
    """Limits of one archive. Sizes are in bytes, after unpacking.

    `max_members` counts files, folders, and folders that only show in the names of others; `max_names_bytes` all names
    together, which are held in memory. `max_ratio` (bytes out for a byte in) holds from `ratio_from_bytes` on: a small
    file of zeros harms nobody.
    """

    max_members: int = 50_000
    max_names_bytes: int = 16 * 2**20
    max_total_bytes: int = 50 * 2**30
    max_file_bytes: int = 32 * 2**30
    max_depth: int = 64
    max_ratio: int = 100
    ratio_from_bytes: int = 64 * 2**20


class Meter:
    """Counts the bytes that come out of an archive of `packed_bytes`, and refuses it when they are too many."""

    def __init__(self, limits: ArchiveLimits, packed_bytes: int) -> None:
        self._limits = limits
        self._packed_bytes = max(1, packed_bytes)
        self._total_bytes = 0
        self._member_count = 0
        self._names_length = 0

    def count(self, size: int) -> None:
        """Add bytes; raise `ArchiveRefused` when all of them are more than the limits allow."""
        self._total_bytes += size
        limits = self._limits
        if self._total_bytes > limits.max_total_bytes:
            raise ArchiveRefused(Reason.TOO_LARGE, f"unpacks to more than {limits.max_total_bytes:,} bytes")
        if self._total_bytes > max(limits.ratio_from_bytes, self._packed_bytes * limits.max_ratio):
            raise ArchiveRefused(Reason.BOMB, f"unpacks to more than {limits.max_ratio} times its size")

    def check_member(self, size: int, name: str) -> None:
        """Count a member, by what its header says; raise `ArchiveRefused` for one too many and one too large."""
        self._member_count += 1
        if self._member_count > self._limits.max_members:
            raise too_many(self._limits)
        self._names_length += len(name)
        if self._names_length > self._limits.max_names_bytes:
            raise ArchiveRefused(Reason.TOO_MANY, f"has names of more than {self._limits.max_names_bytes:,} bytes")
        if size > self._limits.max_file_bytes:
            raise ArchiveRefused(Reason.TOO_LARGE, f"is larger than {self._limits.max_file_bytes:,} bytes", name)


def too_many(limits: ArchiveLimits) -> ArchiveRefused:
    """Return the refusal of an archive with more members than the limits allow."""
    return ArchiveRefused(Reason.TOO_MANY, f"has more than {limits.max_members:,} members")
