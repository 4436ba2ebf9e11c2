"""Reads zip and tar.gz archives that nobody trusts, member by member, from a file that is handed in."""

from typing import BinaryIO

from comfyfleet.core.archives.limits import ArchiveLimits
from comfyfleet.core.archives.members import ArchiveReader, Member, NameCheck
from comfyfleet.core.archives.refusal import ArchiveRefused, Reason
from comfyfleet.core.archives.tar_reader import TarReader
from comfyfleet.core.archives.zip_reader import ZipReader
from comfyfleet.core.bundles import Action

__all__ = ["ArchiveLimits", "ArchiveReader", "ArchiveRefused", "Member", "NameCheck", "Reason", "reader_of"]


def reader_of(file: BinaryIO, size: int, action: Action, limits: ArchiveLimits) -> ArchiveReader:
    """Return a reader of an archive of `size` bytes, by the action that unpacks it."""
    if action is Action.EXTRACT_ZIP:
        return ZipReader(file, size, limits)
    return TarReader(file, size, limits)
