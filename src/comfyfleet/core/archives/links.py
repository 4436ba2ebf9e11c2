"""What the links of an archive stand for, followed by their names and never on a disk."""

from collections.abc import Container, Mapping

from comfyfleet.core.archives.refusal import ArchiveRefused, Reason


def file_behind(path: str, links: Mapping[str, str], files: Container[str]) -> str:
    """Return the file that the link at `path` leads to, be it by way of other links.

    Raises:
        ArchiveRefused: It leads in a circle, or to what is no file of the archive: a folder, or nothing.
    """
    at = links[path]
    for _ in range(len(links)):
        if at not in links:
            break
        at = links[at]
    if at in links:
        raise ArchiveRefused(Reason.LINK, "is a link that leads in a circle", path)
    if at not in files:
        raise ArchiveRefused(Reason.LINK, f"links to {at[:120]!r}, which is no file of the archive", path)
    return at
