"""Unpacks archives that nobody trusts: zip and tar.gz, into one new directory and nowhere else."""

from comfyfleet.machine.archives.limits import ArchiveLimits
from comfyfleet.machine.archives.refusal import ArchiveRefused, Reason
from comfyfleet.machine.archives.unpacking import UnpackedFile, unpack

__all__ = ["ArchiveLimits", "ArchiveRefused", "Reason", "UnpackedFile", "unpack"]
