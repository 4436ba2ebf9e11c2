"""How much an archive may become."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ArchiveLimits:
    """Limits of one archive. Sizes are in bytes, after unpacking.

    `max_ratio` (bytes out for a byte in) holds from `ratio_from_bytes` on: a small file of zeros harms nobody.
    """

    max_members: int = 50_000
    max_total_bytes: int = 50 * 2**30
    max_depth: int = 64
    max_ratio: int = 100
    ratio_from_bytes: int = 64 * 2**20
