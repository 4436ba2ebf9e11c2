"""Which nodes of a workflow make a file that can be its result, and of which type."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from comfyfleet.core.graphs import Graph, node_name

_CLASSES: Final = (
    (re.compile(r"save_?webm", re.IGNORECASE), "webm"),
    (re.compile(r"(save|preview)_?video|video_?(combine|save)", re.IGNORECASE), "mp4"),
    (re.compile(r"save_?animated_?webp", re.IGNORECASE), "webp"),
    (re.compile(r"save_?audio_?mp3", re.IGNORECASE), "mp3"),
    (re.compile(r"save_?audio_?opus", re.IGNORECASE), "opus"),
    (re.compile(r"(save|preview)_?audio", re.IGNORECASE), "flac"),
    (re.compile(r"save_?glb", re.IGNORECASE), "glb"),
    (re.compile(r"(save|preview)_?(animated_?png|image)|image[_ ]?save", re.IGNORECASE), "png"),
)
"""The classes that write files, what is more likely the result first, and what they write if no input says it."""

_MIME_TYPES: Final = {
    "avi": "video/x-msvideo",
    "avif": "image/avif",
    "flac": "audio/flac",
    "gif": "image/gif",
    "glb": "model/gltf-binary",
    "jpg": "image/jpeg",
    "mkv": "video/x-matroska",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "opus": "audio/ogg",
    "png": "image/png",
    "wav": "audio/wav",
    "webm": "video/webm",
    "webp": "image/webp",
}
_SAME: Final = {"jpeg": "jpg", "prores": "mov"}


@dataclass(frozen=True)
class Output:
    """A node whose file can be the result."""

    node_id: str
    name: str
    extension: str
    mime_type: str


def outputs_of(graph: Graph) -> list[Output]:
    """Return the nodes that make files, the likeliest result first; what only previews comes last."""
    return [output for _, _, output in sorted(_ranked(graph), key=lambda one: one[:2])]


def _ranked(graph: Graph) -> Iterator[tuple[bool, int, Output]]:
    for node_id, node in graph.items():
        class_type = str(node["class_type"])
        fitting = ((rank, usual) for rank, (pattern, usual) in enumerate(_CLASSES) if pattern.search(class_type))
        rank, usual = next(fitting, (0, None))
        if usual is not None:
            extension = _extension(node["inputs"]) or usual
            output = Output(node_id, node_name(graph, node_id), extension, _MIME_TYPES[extension])
            yield _is_preview(class_type, node["inputs"]), rank, output


def _extension(inputs: dict[str, Any]) -> str | None:
    """Return what the input `format` says, such as `png`, `video/h264-mp4` or `image/gif`; None if it says nothing."""
    named = str(inputs.get("format")).lower()
    last = re.split(r"[/\-\s.]", named)[-1]
    extension = _SAME.get(last, last)
    return extension if extension in _MIME_TYPES else None


def _is_preview(class_type: str, inputs: dict[str, Any]) -> bool:
    return "preview" in class_type.lower() or inputs.get("save_output") is False
