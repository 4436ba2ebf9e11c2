"""How long a video or an audio file lasts, against what its property allows."""

import logging
from pathlib import Path
from typing import Final

import av

from comfyfleet.protocol.worker import FileAsset
from comfyfleet.worker.errors import InputTooLong

log = logging.getLogger(__name__)

_SLACK_SECONDS: Final = 0.5
"""Containers round, and a cut ends with the frame after it."""


def check_duration(file: FileAsset, path: Path) -> None:
    """Raise `InputTooLong` for a file that lasts longer than it may; one that cannot be measured is left to ComfyUI."""
    if file.max_seconds is None:
        return
    seconds = _seconds_of(path)
    if seconds is not None and seconds > file.max_seconds + _SLACK_SECONDS:
        raise InputTooLong(
            f"The input '{file.key}' lasts {seconds:.1f} seconds, and this effect takes {file.max_seconds:g} at most.",
            hint="Cut it, and run the effect again.",
        )


def _seconds_of(path: Path) -> float | None:
    try:
        with av.open(str(path)) as container:
            return container.duration / av.time_base if container.duration else None
    except (av.FFmpegError, OSError) as error:
        log.info("the length of %s cannot be told: %s", path.name, error)
        return None
