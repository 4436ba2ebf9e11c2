"""A ComfyUI workflow in API format: what it is, and how to walk it.

API format is `{node_id: {"class_type": str, "inputs": {name: value}, "_meta": {...}}}`; a link to another
node's output is `[node_id, slot]`.
"""

import json
from collections.abc import Iterator
from typing import Any, TypeAlias

from comfyfleet.core.errors import Invalid

Graph: TypeAlias = dict[str, dict[str, Any]]


class GraphInvalid(Invalid):
    """The JSON is no workflow in API format."""

    code = "graph_invalid"


def parse_graph(document: object) -> Graph:
    """Return `document` (parsed JSON) as a graph.

    Raises:
        GraphInvalid: It is UI format, empty, a node lacks `class_type` or `inputs`, or a number is none of JSON's.
    """
    if not isinstance(document, dict):
        raise GraphInvalid("The workflow is not a JSON object.", hint=_EXPORT_HINT)
    if isinstance(document.get("nodes"), list) and "links" in document:
        raise GraphInvalid("This is a workflow in UI format, not in API format.", hint=_EXPORT_HINT)
    graph: Graph = document
    if not graph:
        raise GraphInvalid("The workflow has no nodes.", hint=_EXPORT_HINT)
    for node_id, node in graph.items():
        _check_node(node_id, node)
    _check_numbers(graph)
    return graph


_EXPORT_HINT = "In ComfyUI choose Workflow → Export (API) and import that file."


def _check_node(node_id: object, node: object) -> None:
    if not isinstance(node, dict) or not isinstance(node.get("class_type"), str):
        raise GraphInvalid(f"Node '{node_id}' has no class_type.", hint=_EXPORT_HINT)
    if not isinstance(node.get("inputs"), dict):
        raise GraphInvalid(f"Node '{node_id}' ({node['class_type']}) has no inputs.", hint=_EXPORT_HINT)


def _check_numbers(graph: Graph) -> None:
    """Refuse NaN and Infinity, which Python reads and writes in JSON, and neither Postgres nor browsers read."""
    try:
        json.dumps(graph, allow_nan=False)
    except ValueError as problem:
        message = "The workflow holds NaN or Infinity, which JSON does not have."
        raise GraphInvalid(message, hint=_EXPORT_HINT) from problem
    except RecursionError as problem:
        raise GraphInvalid("The workflow's values are nested too deeply.", hint=_EXPORT_HINT) from problem


def is_link(value: object) -> bool:
    """Tell whether an input's value is a link `[node_id, slot]` and not a literal."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], int)
        and not isinstance(value[1], bool)
    )


def strings(value: object) -> Iterator[str]:
    """Yield every string literal in a graph or in a part of it; links and titles are left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from strings(part)
    elif isinstance(value, list) and not is_link(value):
        for part in value:
            yield from strings(part)


def input_strings(graph: Graph) -> Iterator[str]:
    """Yield every string literal that stands in some node's inputs."""
    for node in graph.values():
        yield from strings(node["inputs"])


def node_name(graph: Graph, node_id: str) -> str:
    """Name a node for a person, such as `node 6 (CLIPTextEncode)`."""
    class_type = graph.get(node_id, {}).get("class_type")
    return f"node {node_id} ({class_type})" if class_type else f"node {node_id}"


def class_types(graph: Graph) -> set[str]:
    """Return the node classes that a graph uses."""
    return {str(node["class_type"]) for node in graph.values()}
