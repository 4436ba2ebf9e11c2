"""What a power cut must not undo."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Have a file's bytes on disk; of a folder its names: what was made in it or renamed into it stays."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
