"""The official templates as about the API graphs that ComfyUI would export of them."""

from collections.abc import Iterator
from typing import Any, Final

from tests.integration.templates.templates import subgraph_ids, templates

_CONTROLS: Final = ("fixed", "randomize", "increment", "decrement")
_MUTED: Final = frozenset({2, 4})
_LATENT: Final = ("width", "height", "batch_size")
_WIDGETS: Final = {
    "CLIPTextEncode": ("text",),
    "CreateVideo": ("fps",),
    "EmptyFlux2LatentImage": _LATENT,
    "EmptyLatentImage": _LATENT,
    "EmptySD3LatentImage": _LATENT,
    "FluxGuidance": ("guidance",),
    "KSampler": ("seed", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "LoadAudio": ("audio",),
    "LoadImage": ("image",),
    "LoadVideo": ("file",),
    "PrimitiveBoolean": ("value",),
    "PrimitiveFloat": ("value",),
    "PrimitiveInt": ("value",),
    "PrimitiveStringMultiline": ("value",),
    "RandomNoise": ("noise_seed",),
    "SaveAudioAdvanced": ("filename_prefix", "format"),
    "SaveImage": ("filename_prefix",),
    "SaveImageAdvanced": ("filename_prefix", "format"),
    "SaveVideo": ("filename_prefix", "format", "codec"),
}
"""The names of the widgets of common classes; the documents tell few."""
_VIRTUAL: Final = frozenset({"Note", "MarkdownNote", "Reroute", "PrimitiveNode"})


def api_graphs() -> dict[str, dict[str, Any]]:
    """Return what runs of each template by its name: nodes with named values and links; subgraphs are left out."""
    graphs = {name: dict(_nodes(document)) for name, document in templates().items()}
    return {name: graph for name, graph in graphs.items() if graph}


def _nodes(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    sources = {link[0]: [str(link[1]), link[2]] for link in document["links"]}
    left_out = subgraph_ids(document) | _VIRTUAL
    for node in document["nodes"]:
        if node["type"] not in left_out and node.get("mode") not in _MUTED:
            graph_node = {"class_type": node["type"], "inputs": _values(node) | _links(node, sources)}
            title = {"title": node.get("title") or node["type"]}
            yield str(node["id"]), {**graph_node, "_meta": title}


def _links(node: dict[str, Any], sources: dict[int, list[Any]]) -> dict[str, Any]:
    entries = node.get("inputs") or []
    return {entry["name"]: sources[entry["link"]] for entry in entries if entry.get("link") in sources}


def _values(node: dict[str, Any]) -> dict[str, Any]:
    values = node.get("widgets_values") or []
    if isinstance(values, dict):
        return dict(values)
    told = [entry["name"] for entry in node.get("inputs") or [] if "widget" in entry]
    names = _WIDGETS.get(node["type"], told)
    kept = [
        value
        for place, value in enumerate(values)
        if not (place and value in _CONTROLS and _is_count(values[place - 1]))
    ]
    return dict(zip(names, kept, strict=False))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
