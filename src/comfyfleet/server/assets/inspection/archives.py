"""Lists an archive with the checks that unpacking has; nothing is unpacked."""

from typing import Any, BinaryIO, Final

from comfyfleet.core.archives import ArchiveLimits, list_members
from comfyfleet.core.assets import AssetKind
from comfyfleet.core.bundles import default_action
from comfyfleet.server.assets.inspection.bounded import BoundedFile

_LIMITS: Final = ArchiveLimits(max_total_bytes=4 * 2**30)  # a tar.gz has to be read to its end to be listed
_LARGEST_READ: Final = 6 * 2**20  # a zip whose directory has more is refused
_SHOWN: Final = 40
_MARKS: Final = frozenset({"__init__.py", "pyproject.toml", "requirements.txt", "install.py"})


def list_archive(file: BinaryIO, filename: str) -> dict[str, Any]:
    """Return the number of files, their bytes, the top names, what marks a custom node, and why it would be refused."""
    bounded: Any = BoundedFile(file, largest=_LARGEST_READ, total=_LIMITS.max_total_bytes)
    listing = list_members(bounded, default_action(AssetKind.CUSTOM_NODE, filename), limits=_LIMITS)
    paths = [one.path for one in listing.files]
    marks = {path.rpartition("/")[2] for path in paths if path.count("/") <= 1} & _MARKS
    return {
        "files": len(paths),
        "unpacked_bytes": listing.total_bytes,
        "tops": list(dict.fromkeys(path.partition("/")[0] for path in paths))[:_SHOWN],
        "marks": sorted(marks),
        "is_custom_node": "__init__.py" in marks,
        "problem": listing.problem.message if listing.problem else None,
    }
