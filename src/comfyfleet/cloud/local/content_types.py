"""The content types of objects on disk, beside the objects' own tree.

An object and its type are two files, and no file system replaces two at once. So a type is recorded for the inode of
the file that will become the object, before it does, and the present object's record stays until the next write:
whichever of the two files a crash leaves in place, its own type is found.
"""

import os
import secrets
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from comfyfleet.cloud.local.disk import sync

DEFAULT_TYPE: Final = "application/octet-stream"


class ContentTypes:
    """One small text file per object: lines of `<inode> <content type>`, the newest last."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.folder = folder
        self._scratch = scratch

    def of(self, key: str, inode: int) -> str:
        """Return the type of the object that is this inode.

        A copy of the folder (a backup that was put back) has other inodes: there the newest type holds.
        """
        types = dict(self._records(key))
        return types.get(inode) or next(reversed(types.values()), DEFAULT_TYPE)

    def record(self, key: str, inode: int, content_type: str, *, present_inode: int | None) -> None:
        """Note durably the type of a file that is about to become the object; keep that of the present one."""
        kept = [] if present_inode is None else [(present_inode, self.of(key, present_inode))]
        text = "".join(f"{number} {name}\n" for number, name in [*kept, (inode, content_type)])
        temporary = self._scratch / f"{secrets.token_hex(16)}.type"
        try:
            with temporary.open("x", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path_of(key))
        finally:
            temporary.unlink(missing_ok=True)
        sync(self.folder)

    def forget(self, key: str) -> None:
        """Drop what is known of an object that is gone."""
        self._path_of(key).unlink(missing_ok=True)

    def _path_of(self, key: str) -> Path:
        # By digest: a tree of keys would have to make and remove folders in step with the objects' own.
        return self.folder / sha256(key.encode()).hexdigest()

    def _records(self, key: str) -> Iterator[tuple[int, str]]:
        try:
            lines = self._path_of(key).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            inode, _, content_type = line.partition(" ")
            yield int(inode), content_type
