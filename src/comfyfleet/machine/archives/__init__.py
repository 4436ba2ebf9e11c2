"""Reads archives that nobody trusts, zip and tar.gz, and unpacks them into one new directory and nowhere else."""

from comfyfleet.machine.archives.limits import ArchiveLimits
from comfyfleet.machine.archives.listing import ListedFile, Listing, list_members
from comfyfleet.machine.archives.members import ArchiveReader, Member, NameCheck
from comfyfleet.machine.archives.readers import reader_of
from comfyfleet.machine.archives.refusal import ArchiveRefused, Reason
from comfyfleet.machine.archives.unpacking import UnpackedFile, unpack

__all__ = [
    "ArchiveLimits", "ArchiveReader", "ArchiveRefused", "ListedFile", "Listing", "Member", "NameCheck", "Reason",
    "UnpackedFile", "list_members", "reader_of", "unpack",
]  # fmt: skip
