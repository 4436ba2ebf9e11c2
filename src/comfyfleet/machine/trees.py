"""Unpacked archives as folders on this disk."""

import os
import shutil
from pathlib import Path


def remove_tree(folder: Path) -> None:
    """Remove a folder and all in it; one that does not exist is no error."""
    if folder.is_dir():
        shutil.rmtree(folder)


def give_to_owner(folder: Path, root: Path) -> None:
    """Let the user whose ComfyUI it is write into a custom node's folder; only the superuser can and needs to."""
    owner = root.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
