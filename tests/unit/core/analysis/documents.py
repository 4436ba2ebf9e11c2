"""Small workflows of both formats for the tests of the analysis."""

from typing import Any

SUBGRAPH = "5c9e0f2e-6a1b-4d7e-9a55-0123456789ab"
INNER = "7d1f0a3f-7b2c-4e8f-8b66-0123456789ac"


def api(**nodes: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """Return an API graph: `api(a=("Class", {"input": value}))`."""
    return {node_id: {"class_type": name, "inputs": inputs} for node_id, (name, inputs) in nodes.items()}


def node(node_id: int, class_type: str, *values: object, **more: Any) -> dict[str, Any]:
    """Return a node of a UI graph."""
    return {"id": node_id, "type": class_type, "mode": 0, "inputs": [], "widgets_values": list(values), **more}


def ui(*nodes: dict[str, Any], links: list[Any] | None = None, subgraphs: list[Any] | None = None) -> dict[str, Any]:
    """Return a UI graph."""
    return {"nodes": list(nodes), "links": links or [], "definitions": {"subgraphs": subgraphs or []}}


def subgraph(
    *nodes: dict[str, Any], key: str = SUBGRAPH, inputs: tuple[str, ...] = (), links: list[Any] | None = None
) -> dict[str, Any]:
    """Return a subgraph's definition."""
    named = [{"id": name, "name": name, "type": "COMBO"} for name in inputs]
    return {"id": key, "name": "inner", "nodes": list(nodes), "links": links or [], "inputs": named}


def widget(name: str, link: int | None = None) -> dict[str, Any]:
    """Return an input that belongs to a widget."""
    return {"name": name, "type": "COMBO", "widget": {"name": name}, "link": link}


def declared(name: str, directory: str, **more: str) -> dict[str, Any]:
    """Return a node's properties that declare one model."""
    return {"models": [{"name": name, "directory": directory, **more}]}
