"""Reads archives that nobody trusts, zip and tar.gz, member by member, from a file that is handed in."""

from comfyfleet.core.archives.limits import ArchiveLimits
from comfyfleet.core.archives.listing import ListedFile, Listing, list_members
from comfyfleet.core.archives.members import ArchiveReader, Member, NameCheck
from comfyfleet.core.archives.readers import reader_of
from comfyfleet.core.archives.refusal import ArchiveRefused, Reason

__all__ = [
    "ArchiveLimits", "ArchiveReader", "ArchiveRefused", "ListedFile", "Listing", "Member", "NameCheck", "Reason",
    "list_members", "reader_of",
]  # fmt: skip
