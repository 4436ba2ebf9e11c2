"""What a workflow's properties and output could be, read from its graph, for a person to choose from."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from comfyfleet.core.graphs import Graph, is_link, node_name
from comfyfleet.core.properties import MAX_SEED, Property, PropertyType, Scalar

_PLACEHOLDER: Final = re.compile(r"\{\{\s*[A-Za-z]\w*\s*\}\}|__[A-Z][A-Z0-9_]*__")
_FILES: Final = (
    (re.compile(r"load.?video|video.*(upload|input|load)", re.IGNORECASE), PropertyType.VIDEO),
    (re.compile(r"load.?audio|audio.*(upload|input|load)", re.IGNORECASE), PropertyType.AUDIO),
    (re.compile(r"load.?image|image.*(upload|input|load)", re.IGNORECASE), PropertyType.IMAGE),
)
_FILE_INPUTS: Final = frozenset({"image", "video", "audio", "file"})
_TEXT_INPUTS: Final = re.compile(
    r"^(text|prompt|positive|negative|caption|string|tags|lyrics)(_?[a-z0-9]*)?$", re.IGNORECASE
)
_SEEDS: Final = frozenset({"seed", "noise_seed"})
_NUMBERS: Final = frozenset(
    {"steps", "cfg", "denoise", "width", "height", "length", "fps", "frame_rate", "guidance", "strength", "batch_size",
     "strength_model", "shift", "duration", "seconds"}
)  # fmt: skip
_OUTPUTS: Final = (
    (re.compile(r"savevideo|video.?combine|savewebm|createvideo.*save", re.IGNORECASE), "mp4", "video/mp4"),
    (re.compile(r"saveanimatedwebp", re.IGNORECASE), "webp", "image/webp"),
    (re.compile(r"saveaudiomp3", re.IGNORECASE), "mp3", "audio/mpeg"),
    (re.compile(r"saveaudioopus", re.IGNORECASE), "opus", "audio/ogg"),
    (re.compile(r"saveaudio", re.IGNORECASE), "flac", "audio/flac"),
    (re.compile(r"saveimage|previewimage|imagesave", re.IGNORECASE), "png", "image/png"),
)


@dataclass(frozen=True)
class Output:
    """A node whose file can be the result."""

    node_id: str
    name: str
    extension: str
    mime_type: str


@dataclass(frozen=True)
class Proposal:
    """What was read from a graph: likely properties, the best first, and possible outputs, the best first."""

    properties: tuple[Property, ...]
    outputs: tuple[Output, ...]


def propose(graph: Graph) -> Proposal:
    """Read properties and outputs from a graph. At most one property is the primary input."""
    found = sorted(_properties(graph), key=lambda prop: _RANK[prop.type])
    return Proposal(tuple(_with_keys(_with_primary(found))), tuple(_outputs(graph)))


_RANK: Final = {
    PropertyType.VIDEO: 0, PropertyType.IMAGE: 1, PropertyType.AUDIO: 2, PropertyType.TEXT: 3, PropertyType.NUMBER: 4,
    PropertyType.CHOICE: 5, PropertyType.BOOLEAN: 6, PropertyType.SEED: 7,
}  # fmt: skip


def property_of(graph: Graph, node_id: str, input_name: str) -> Property | None:
    """Return the property that fits one input, as when a person points at it; None for a link or an empty place."""
    node = graph.get(node_id)
    if node is None or input_name not in node["inputs"] or is_link(node["inputs"][input_name]):
        return None
    kind = _type_of(node, input_name) or _type_of_value(node["inputs"][input_name])
    return _property(node_id, node, input_name, kind)


def _properties(graph: Graph) -> Iterator[Property]:
    for node_id, node in graph.items():
        for name, value in node["inputs"].items():
            if is_link(value):
                continue
            kind = _type_of(node, name)
            if kind is not None:
                yield _property(node_id, node, name, kind)


def _type_of(node: dict[str, Any], name: str) -> PropertyType | None:
    value = node["inputs"][name]
    if isinstance(value, str) and _PLACEHOLDER.search(value):
        return _file_type(node) if name in _FILE_INPUTS and _file_type(node) else PropertyType.TEXT
    if name in _FILE_INPUTS and isinstance(value, str):
        return _file_type(node)
    if name in _SEEDS and isinstance(value, int):
        return PropertyType.SEED
    if isinstance(value, str) and _TEXT_INPUTS.match(name) and "filename" not in name:
        return PropertyType.TEXT
    if name in _NUMBERS and isinstance(value, int | float) and not isinstance(value, bool):
        return PropertyType.NUMBER
    return None


def _file_type(node: dict[str, Any]) -> PropertyType | None:
    return next((kind for pattern, kind in _FILES if pattern.search(str(node["class_type"]))), None)


def _type_of_value(value: object) -> PropertyType:
    if isinstance(value, bool):
        return PropertyType.BOOLEAN
    return PropertyType.NUMBER if isinstance(value, int | float) else PropertyType.TEXT


def _property(node_id: str, node: dict[str, Any], name: str, kind: PropertyType) -> Property:
    value = node["inputs"][name]
    found = _PLACEHOLDER.search(value) if isinstance(value, str) else None
    label = _label(node, name)
    if found is not None:
        words = re.sub(r"\W+|__", " ", found.group()).strip().replace("_", " ")
        return Property(_key(words), kind, label=words.capitalize(), placeholder=found.group())
    return Property(
        key=_key(label), type=kind, label=label, default=_default(kind, value), node_id=node_id, input_name=name
    )


def _label(node: dict[str, Any], name: str) -> str:
    """Prefer the title that the author gave; a class's own name says little beside the input's."""
    meta = node.get("_meta")
    title = str(meta.get("title") or "") if isinstance(meta, dict) else ""
    words = name.replace("_", " ")
    is_own = title and re.sub(r"\W", "", title).lower() not in re.sub(r"\W", "", str(node["class_type"])).lower()
    if is_own and _TEXT_INPUTS.match(name):
        return title[:200]
    return words.capitalize() if words.lower() != "text" else "Prompt"


def _default(kind: PropertyType, value: object) -> Scalar | None:
    if kind.is_file or not isinstance(value, str | int | float | bool):
        return None
    return min(value, MAX_SEED) if kind is PropertyType.SEED and isinstance(value, int) else value


def _key(words: str) -> str:
    key = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")[:50]
    return key if key and key[0].isalpha() else f"value_{key}".rstrip("_")


def _with_primary(found: list[Property]) -> Iterator[Property]:
    is_first = True
    for prop in found:
        if prop.type.is_file:
            yield replace(prop, required=True, is_primary_input=is_first)
            is_first = False
        else:
            yield prop


def _with_keys(found: Iterator[Property]) -> Iterator[Property]:
    """Give each property a key of its own, and each placeholder one property."""
    seen: dict[str, int] = {}
    placeholders: set[str] = set()
    for prop in found:
        if prop.placeholder is not None and prop.placeholder in placeholders:
            continue
        placeholders |= {prop.placeholder} if prop.placeholder else set()
        seen[prop.key] = seen.get(prop.key, 0) + 1
        yield prop if seen[prop.key] == 1 else replace(prop, key=f"{prop.key}_{seen[prop.key]}")


def _outputs(graph: Graph) -> Iterator[Output]:
    ranked = []
    for node_id, node in graph.items():
        for rank, (pattern, extension, mime_type) in enumerate(_OUTPUTS):
            if pattern.search(str(node["class_type"])):
                is_preview = "preview" in str(node["class_type"]).lower()
                ranked.append((is_preview, rank, Output(node_id, node_name(graph, node_id), extension, mime_type)))
                break
    yield from (output for _, _, output in sorted(ranked, key=lambda one: one[:2]))
