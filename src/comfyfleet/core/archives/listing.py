"""What is in an archive, by the checks that unpacking has, without writing anything."""

from dataclasses import dataclass
from typing import BinaryIO, Final

from comfyfleet.core.archives.limits import ArchiveLimits
from comfyfleet.core.archives.links import file_behind
from comfyfleet.core.archives.members import NameCheck
from comfyfleet.core.archives.readers import reader_of
from comfyfleet.core.archives.refusal import ArchiveRefused, Reason
from comfyfleet.core.bundles import Action

_REQUIREMENTS: Final = "requirements.txt"


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file of an archive; `size` is in bytes. A link has the size of the file that it stands for."""

    path: str
    size: int
    is_executable: bool


@dataclass(frozen=True)
class Listing:
    """The files of an archive by path, and why it would not be unpacked; the files are those before that problem."""

    files: tuple[ListedFile, ...]
    problem: ArchiveRefused | None = None

    @property
    def total_bytes(self) -> int:
        """The sizes of all files together."""
        return sum(file.size for file in self.files)

    @property
    def has_requirements(self) -> bool:
        """Whether a `requirements.txt` lies at the top or in a folder of the top."""
        return any(file.path.count("/") <= 1 and file.path.rpartition("/")[2] == _REQUIREMENTS for file in self.files)


def list_members(file: BinaryIO, action: Action, *, limits: ArchiveLimits | None = None) -> Listing:
    """List an archive that can be sought in.

    Of a zip the directory and the members' headers are read, so damage inside a member goes unnoticed; a tar.gz is
    read, and checked, from front to back. Errors of `file` pass.
    """
    limits = limits or ArchiveLimits()
    found: dict[str, ListedFile] = {}
    try:
        _list(file, action, limits, found)
    except ArchiveRefused as error:
        return Listing(_by_path(found), error)
    return Listing(_by_path(found))


def _list(file: BinaryIO, action: Action, limits: ArchiveLimits, found: dict[str, ListedFile]) -> None:
    names, links = NameCheck(limits), dict[str, str]()
    total_bytes = 0
    for member in reader_of(file, file.seek(0, 2), action, limits).members():
        names.check(member.path, is_folder=member.is_folder)
        if member.link is not None:
            links[member.path] = member.link
        elif not member.is_folder:
            found[member.path] = ListedFile(member.path, member.size, member.is_executable)
            total_bytes += member.size
    behind = {path: found[file_behind(path, links, found)] for path in links}
    for path, source in behind.items():
        found[path] = ListedFile(path, source.size, source.is_executable)
        total_bytes += source.size
    if not found:
        raise ArchiveRefused(Reason.EMPTY, "holds no file")
    if total_bytes > limits.max_total_bytes:
        raise ArchiveRefused(Reason.TOO_LARGE, f"says that it unpacks to {total_bytes:,} bytes")


def _by_path(found: dict[str, ListedFile]) -> tuple[ListedFile, ...]:
    return tuple(found[path] for path in sorted(found))
