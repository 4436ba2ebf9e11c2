"""Folders that outlast a power cut, and go when they are empty."""

from pathlib import Path

from comfyfleet.cloud.local.disk import sync


def make_folders(folder: Path) -> None:
    """Make a folder and those above it, so that they outlast a power cut, too."""
    if folder.is_dir():
        return
    make_folders(folder.parent)
    folder.mkdir(exist_ok=True)
    sync(folder.parent)


def prune(folder: Path, top: Path) -> None:
    """Remove a folder and those above it, below `top`, as far as they are empty."""
    while folder != top:
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError:  # not empty
            return
        folder = folder.parent
