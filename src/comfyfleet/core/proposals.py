"""What a workflow's properties could be, read from its graph, for a person to choose from."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from comfyfleet.core.errors import Invalid
from comfyfleet.core.graphs import Graph, is_link, strings
from comfyfleet.core.output_nodes import Output, outputs_of
from comfyfleet.core.properties import Property, PropertyType, Scalar, check_value

_PLACEHOLDER: Final = re.compile(r"\{\{\s*[A-Za-z]\w*\s*\}\}|__[A-Z][A-Z0-9_]*__")
_FILES: Final = (
    (re.compile(r"load.?video|video.*(upload|input|load)", re.IGNORECASE), PropertyType.VIDEO),
    (re.compile(r"load.?audio|audio.*(upload|input|load)", re.IGNORECASE), PropertyType.AUDIO),
    (re.compile(r"load.?image|image.*(upload|input|load)", re.IGNORECASE), PropertyType.IMAGE),
)
_FILE_INPUTS: Final = frozenset({"image", "video", "audio", "file"})
_TEXTS: Final = re.compile(r"(text|prompt|positive|negative|caption|tags|lyrics)(_?[a-z0-9]*)?", re.IGNORECASE)
_TEXT_TOOLS: Final = re.compile(r"^(String|Regex|Json|Markdown|Note)", re.IGNORECASE)
"""Nodes that work on texts of other nodes: a person would not set what they look for."""
_SEEDS: Final = frozenset({"seed", "noise_seed"})
_NUMBERS: Final = frozenset(
    {
        "batch_size",
        "cfg",
        "denoise",
        "duration",
        "fps",
        "frame_rate",
        "guidance",
        "height",
        "length",
        "seconds",
        "shift",
        "steps",
        "strength",
        "strength_model",
        "width",
    }
)
_OPERATORS: Final = frozenset(
    {"batch_size", "cfg", "denoise", "guidance", "shift", "steps", "strength", "strength_model"}
)
"""Numbers that decide how long a job takes, or that say nothing to who only wants a result."""
_ABBREVIATIONS: Final = frozenset({"cfg", "fps"})
_CHOICES: Final = frozenset({"sampler_name", "scheduler"})
MAX_PROPERTIES: Final = 200
"""As many as a workflow may have."""
_MOST_IN_A_BINDING: Final = 200
"""Characters: longer ids, names and placeholders are no property's."""
_LARGEST_IN_A_BROWSER: Final = 2**53 - 1


@dataclass(frozen=True)
class Proposal:
    """What was read from a graph: likely properties, the best first, and possible outputs, the best first."""

    properties: tuple[Property, ...]
    outputs: tuple[Output, ...]


def propose(graph: Graph) -> Proposal:
    """Read properties and outputs from a graph. At most one property is the primary input.

    Users may set what they bring and want to see; numbers of the rendering itself are for effects to set.
    """
    found = sorted(_properties(graph), key=lambda prop: _RANK[prop.type])
    properties = tuple(_with_keys(_with_primary(found)))[:MAX_PROPERTIES]
    return Proposal(properties, tuple(outputs_of(graph)))


_RANK: Final = {
    kind: rank
    for rank, kind in enumerate(
        (
            PropertyType.VIDEO,
            PropertyType.IMAGE,
            PropertyType.AUDIO,
            PropertyType.TEXT,
            PropertyType.NUMBER,
            PropertyType.CHOICE,
            PropertyType.BOOLEAN,
            PropertyType.SEED,
        )
    )
}


def property_of(graph: Graph, node_id: str, input_name: str) -> Property | None:
    """Return the property that fits one input, as when a person points at it; None where no value can stand."""
    node = graph.get(node_id)
    value = None if node is None else node["inputs"].get(input_name)
    if node is None or not isinstance(value, str | int | float):
        return None
    kind = _type_of(node, input_name) or _type_of_value(input_name, value)
    return next(_bound(node_id, node, input_name, kind, is_negative=node_id in _negatives(graph)), None)


def _properties(graph: Graph) -> Iterator[Property]:
    negatives = _negatives(graph)
    for node_id, node in graph.items():
        for name, value in node["inputs"].items():
            kind = None if is_link(value) else _type_of(node, name)
            if kind is not None:
                for prop in _bound(node_id, node, name, kind, is_negative=node_id in negatives):
                    yield replace(prop, user_configurable=name not in _OPERATORS)


def _type_of(node: dict[str, Any], name: str) -> PropertyType | None:
    value = node["inputs"][name]
    if any(_PLACEHOLDER.search(text) for text in strings(value)):
        return (_file_type(node) if name in _FILE_INPUTS else None) or PropertyType.TEXT
    if isinstance(value, str):
        return _file_type(node) if name in _FILE_INPUTS else _text_type(node, name)
    if isinstance(value, bool):
        return PropertyType.BOOLEAN if _is_primitive(node, name) else None
    if not isinstance(value, int | float):
        return None
    if name in _SEEDS:
        return PropertyType.SEED
    return PropertyType.NUMBER if name in _NUMBERS or _is_primitive(node, name) else None


def _text_type(node: dict[str, Any], name: str) -> PropertyType | None:
    is_text = _TEXTS.fullmatch(name) and not _TEXT_TOOLS.match(str(node["class_type"]))
    return PropertyType.TEXT if is_text or _is_primitive(node, name) else None


def _is_primitive(node: dict[str, Any], name: str) -> bool:
    """Tell whether this is the value of a node that only holds one, which its author put there to be set."""
    return name == "value" and str(node["class_type"]).startswith("Primitive")


def _file_type(node: dict[str, Any]) -> PropertyType | None:
    return next((kind for pattern, kind in _FILES if pattern.search(str(node["class_type"]))), None)


def _type_of_value(name: str, value: object) -> PropertyType:
    if name in _CHOICES:
        return PropertyType.CHOICE
    if isinstance(value, bool):
        return PropertyType.BOOLEAN
    return PropertyType.NUMBER if isinstance(value, int | float) else PropertyType.TEXT


def _bound(
    node_id: str, node: dict[str, Any], name: str, kind: PropertyType, *, is_negative: bool
) -> Iterator[Property]:
    """Yield a property for each placeholder in an input, or one for the whole input."""
    value = node["inputs"][name]
    placeholders = [found for text in strings(value) for found in _PLACEHOLDER.findall(text)]
    for placeholder in placeholders:
        words = re.sub(r"\W+|__", " ", placeholder).strip().replace("_", " ")
        if len(placeholder) <= _MOST_IN_A_BINDING:
            yield Property(_key(words), kind, label=words.capitalize(), placeholder=placeholder)
    if not placeholders and max(len(node_id), len(name)) <= _MOST_IN_A_BINDING:
        label = _label(node, name, kind, is_negative=is_negative)
        key = kind.value if kind.is_file else _key(label)
        choices = (str(value),) if kind is PropertyType.CHOICE else ()
        prop = Property(key, kind, label=label, choices=choices, node_id=node_id, input_name=name)
        yield replace(prop, default=_default(prop, value))


def _label(node: dict[str, Any], name: str, kind: PropertyType, *, is_negative: bool) -> str:
    """Prefer what the author said of a file, a text or a lone value; else a prompt's role; else the input's name."""
    words = name.replace("_", " ")
    own = _own_title(node)
    if kind.is_file:
        return own[:_MOST_IN_A_BINDING] or kind.value.capitalize()
    if not _TEXTS.fullmatch(name) and not _is_primitive(node, name):
        return name.upper() if name in _ABBREVIATIONS else words.capitalize()
    if own and own.lower() != "prompt":
        return own[:_MOST_IN_A_BINDING]
    if is_negative:
        return "Negative prompt"
    return "Prompt" if own or words.lower() == "text" else words.capitalize()


def _own_title(node: dict[str, Any]) -> str:
    """Return what a node's title says beyond its class: `CLIP Text Encode (Negative Prompt)` says `Negative prompt`."""
    meta = node.get("_meta")
    title = str(meta.get("title") or "") if isinstance(meta, dict) else ""
    kept, class_type = title, _letters(str(node["class_type"]))
    if _letters(title).startswith(class_type) or class_type.startswith(_letters(title)):
        kept = " ".join(re.findall(r"\(([^)]*)\)", title)).capitalize()
    return kept.strip()


def _letters(text: str) -> str:
    return re.sub(r"\W|_", "", text).lower()


def _negatives(graph: Graph) -> set[str]:
    """Return the nodes that all others take for what the result shall not show."""
    names: defaultdict[str, set[str]] = defaultdict(set)
    for node in graph.values():
        for name, value in node["inputs"].items():
            if is_link(value):
                names[value[0]].add(name)
    return {node_id for node_id, used_as in names.items() if used_as == {"negative"}}


def _default(prop: Property, value: Scalar) -> Scalar | None:
    """Return the authored value if it can be a default; the pages cannot hold larger numbers exactly."""
    if prop.type.is_file or (
        prop.type is PropertyType.SEED and isinstance(value, int) and value > _LARGEST_IN_A_BROWSER
    ):
        return None
    try:
        return check_value(prop, value)
    except Invalid:
        return None


def _key(words: str) -> str:
    key = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")[:50].rstrip("_")
    return key if key and key[0].isalpha() else f"value_{key}".rstrip("_")


def _with_primary(found: list[Property]) -> Iterator[Property]:
    is_first = True
    for prop in found:
        if prop.type.is_file:
            yield replace(prop, required=True, is_primary_input=is_first)
            is_first = False
        else:
            yield prop


def _with_keys(found: Iterable[Property]) -> Iterator[Property]:
    """Give each property a key of its own, and each placeholder one property."""
    numbers: dict[str, int] = {}
    placeholders: set[str] = set()
    for prop in found:
        if prop.placeholder in placeholders:
            continue
        placeholders |= {prop.placeholder} if prop.placeholder else set()
        key = prop.key
        while key in numbers:
            numbers[prop.key] += 1
            key = f"{prop.key}_{numbers[prop.key]}"
        numbers[key] = 1
        label = prop.label if key == prop.key else f"{prop.label[: _MOST_IN_A_BINDING - 10]} {numbers[prop.key]}"
        yield replace(prop, key=key, label=label)
