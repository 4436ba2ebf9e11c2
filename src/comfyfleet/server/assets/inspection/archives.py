"""Lists an archive with the checks that unpacking has; nothing is unpacked."""

from typing import Any, BinaryIO, Final

from comfyfleet.core.archives import ArchiveLimits, ArchiveRefused, NameCheck, reader_of
from comfyfleet.core.assets import AssetKind
from comfyfleet.core.bundles import default_action
from comfyfleet.server.assets.inspection.bounded import BoundedFile

_LIMITS: Final = ArchiveLimits(max_total_bytes=4 * 2**30)  # a tar.gz has to be read to its end to be listed
_LARGEST_READ: Final = 6 * 2**20  # a zip whose directory has more is refused
_MOST_NAME_BYTES: Final = 32 * 2**20
_SHOWN: Final = 40
_MARKS: Final = frozenset({"__init__.py", "pyproject.toml", "requirements.txt", "install.py"})


def list_archive(file: BinaryIO, filename: str, size: int) -> dict[str, Any]:
    """Return the number of files, their bytes, the top names, what marks a custom node, and why it would be refused."""
    action = default_action(AssetKind.CUSTOM_NODE, filename)
    names, count, unpacked_bytes = NameCheck(_LIMITS), 0, 0
    tops: dict[str, None] = {}
    marks: set[str] = set()
    problem, name_bytes = None, 0
    bounded: Any = BoundedFile(file, largest=_LARGEST_READ, total=_LIMITS.max_total_bytes)
    try:
        for member in reader_of(bounded, size, action, _LIMITS).members():
            name_bytes += len(member.path) * (1 + member.path.count("/"))  # each folder of it is kept to be compared
            if name_bytes > _MOST_NAME_BYTES:
                problem = "The names in it are too many and too long."
                break
            names.check(member.path, is_folder=member.is_folder)
            tops.setdefault(member.path.partition("/")[0])
            if not member.is_folder:
                count += 1
                unpacked_bytes += member.size
                if member.path.count("/") <= 1:
                    marks |= {member.path.rpartition("/")[2]} & _MARKS
    except ArchiveRefused as error:
        problem = error.message
    return {
        "files": count,
        "unpacked_bytes": unpacked_bytes,
        "tops": list(tops)[:_SHOWN],
        "marks": sorted(marks),
        "is_custom_node": "__init__.py" in marks,
        "problem": problem,
    }
