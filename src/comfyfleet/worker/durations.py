"""How long a video or an audio file lasts, against what its property allows."""

import logging
from pathlib import Path
from typing import Final

import av
from av.container import InputContainer

from comfyfleet.protocol.worker import FileAsset
from comfyfleet.worker.errors import InputTooLong

log = logging.getLogger(__name__)

_SLACK_SECONDS: Final = 0.5
"""Containers round, and a cut ends with the frame after it."""


def check_duration(file: FileAsset, path: Path) -> None:
    """Raise `InputTooLong` for a file that lasts longer than it may; one that cannot be measured is left to ComfyUI."""
    if file.max_seconds is None:
        return
    longest = file.max_seconds + _SLACK_SECONDS
    seconds = _seconds_of(path, longest)
    if seconds is not None and seconds > longest:
        raise InputTooLong(
            f"The input '{file.key}' lasts {seconds:.1f} seconds, and this effect takes {file.max_seconds:g} at most.",
            hint="Cut it, and run the effect again.",
        )


def _seconds_of(path: Path, longest: float) -> float | None:
    """Return a file's duration, by its packets unless the header says that it is too long."""
    try:
        with av.open(str(path)) as container:
            announced = container.duration / av.time_base if container.duration else 0.0
            # What browsers record announces nothing, and a header can be wrong.
            return announced if announced > longest else max(announced, _measured(container)) or None
    except (av.FFmpegError, OSError) as error:
        log.info("the length of %s cannot be told: %s", path.name, error)
        return None


def _measured(container: InputContainer) -> float:
    begin, end = float("inf"), 0.0
    for packet in container.demux(*container.streams.video, *container.streams.audio):
        if packet.pts is None or packet.is_discard:
            continue
        begin = min(begin, float(packet.pts * packet.time_base))
        end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    return max(0.0, end - begin)
