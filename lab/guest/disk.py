"""A machine's folder in the place of its disk: what scripts and units name absolutely is meant below it."""

import re
from pathlib import Path
from typing import Final

from comfyfleet import names
from lab.errors import ApiError

_PATHS: Final = re.compile(r"(?<![\w.$}/-])/(opt|root|home|etc|var|run|usr/local)(?![\w.-])")
_COMFYUI: Final = re.compile(rf"127\.0\.0\.1:{names.COMFYUI_PORT}(?!\d)")
_REMOVAL: Final = re.compile(r"\brm\s+(?:-\w+\s+)*([^\n;&|]*)")
_ABSOLUTE: Final = re.compile(r"(?:^|[\s\"'])(/[^\s\"']*)")
_LARGEST_TEXT: Final = 1 << 20


def moved(text: str, root: Path, address: str) -> str:
    """Return a text with its absolute paths below a machine's folder, and its ComfyUI at the machine's address."""
    return _COMFYUI.sub(f"{address}:{names.COMFYUI_PORT}", _PATHS.sub(lambda found: f"{root}/{found[1]}", text))


def check_removals(script: str, root: Path) -> None:
    """Refuse a script that removes what is not the machine's: it runs on the machine of whoever runs the lab."""
    for words in _REMOVAL.findall(script):
        for path in _ABSOLUTE.findall(words):
            if not path.startswith(f"{root}/"):
                raise ApiError("LabRefused", f"The script would remove {path}, which is not of this machine.")


def relocate(folder: Path, old: Path) -> None:
    """Let the links and texts of a copied disk name the folder where they named the one it is a copy of.

    On a real machine both are `/`. Environments of Python name their own place in links and in first lines.
    """
    before, after = str(old).encode(), str(folder).encode()
    for path in folder.rglob("*"):
        if path.is_symlink():
            target = str(path.readlink())
            if target.startswith(f"{old}/"):
                path.unlink()
                path.symlink_to(str(folder) + target.removeprefix(str(old)))
        elif path.is_file() and path.stat().st_size <= _LARGEST_TEXT:
            content = path.read_bytes()
            if before in content and b"\0" not in content:
                mode = path.stat().st_mode
                path.write_bytes(content.replace(before, after))
                path.chmod(mode)
