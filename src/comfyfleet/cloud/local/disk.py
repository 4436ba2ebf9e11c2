"""What a power cut must not undo."""

import json
import os
from pathlib import Path
from typing import Any


def sync(path: Path) -> None:
    """Have a file's bytes on disk; of a folder its names: what was made in it or renamed into it stays."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_private(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file atomically, readable by this user only."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync(path.parent)
