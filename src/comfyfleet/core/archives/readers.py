"""Chooses how an archive is read."""

from typing import BinaryIO

from comfyfleet.core.archives.limits import ArchiveLimits
from comfyfleet.core.archives.members import ArchiveReader
from comfyfleet.core.archives.tar_reader import TarReader
from comfyfleet.core.archives.zip_reader import ZipReader
from comfyfleet.core.bundles import Action


def reader_of(file: BinaryIO, size: int, action: Action, limits: ArchiveLimits) -> ArchiveReader:
    """Return a reader of an archive of `size` bytes, by the action that unpacks it."""
    match action:
        case Action.EXTRACT_ZIP:
            return ZipReader(file, size, limits)
        case Action.EXTRACT_TAR_GZ:
            return TarReader(file, size, limits)
        case Action.COPY:
            raise ValueError("what is copied is not unpacked")
