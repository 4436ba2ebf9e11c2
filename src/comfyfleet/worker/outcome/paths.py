"""ComfyUI's errors without this machine's folders: a user reads them, and is helped by a file's name alone."""

import re
from typing import Final

JOB_FOLDER_PREFIX: Final = "comfyfleet-job-"
"""How the folder of a job's files begins, in ComfyUI's input folder."""

_ROOT: Final = r"(?:file://)?(?:/|[A-Za-z]:[\\/])"
_QUOTED: Final = rf"""(?<=')(?:{_ROOT})[^'\n]+(?=')|(?<=")(?:{_ROOT})[^"\n]+(?=")"""
_BARE: Final = rf"""(?<![\w:/\\.~-]){_ROOT}[^\s'"`<>|,;:()\[\]{{}}]+"""
_PATH: Final = re.compile(f"{_QUOTED}|{_BARE}")
_JOB_FOLDER: Final = re.compile(rf"\b{JOB_FOLDER_PREFIX}\d+-\d+[/\\]")
_SEPARATOR: Final = re.compile(r"[/\\]+")
_TELLING: Final = frozenset({"models", "custom_nodes"})
"""Folders of ComfyUI that say what a file below them is; where they lie is not told."""


def without_folders(text: str) -> str:
    """Return the text with each path of a file on this machine shortened to what does not depend on the machine.

    That is the file's name, or for models and custom nodes the path below ComfyUI's own folder. Addresses of web pages,
    relative paths and a single slash stay as they are.
    """
    return _JOB_FOLDER.sub("", _PATH.sub(lambda match: _shortened(match.group()), text))


def _shortened(path: str) -> str:
    parts = [part for part in _SEPARATOR.split(path.removeprefix("file://")) if part]
    if len(parts) < 2:
        return path
    told = [place for place, part in enumerate(parts[:-1]) if part in _TELLING]
    return "/".join(parts[told[-1] :]) if told else parts[-1]
