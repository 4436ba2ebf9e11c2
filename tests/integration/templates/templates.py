"""The official workflow templates of ComfyUI, from the package `comfyui-workflow-templates-json`."""

import importlib.metadata
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

PACKAGE: Final = "comfyui-workflow-templates-json"


@cache
def templates() -> dict[str, dict[str, Any]]:
    """Return each template's document by its name; an error if the package is not installed."""
    found = {}
    for file in importlib.metadata.files(PACKAGE) or ():
        if file.suffix == ".json" and "templates" in file.parts:
            document = json.loads(Path(file.locate()).read_text("utf-8"))
            if isinstance(document, dict) and "nodes" in document:
                found[file.stem] = document
    return found


def nodes_of(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the nodes of a document and of the subgraphs that it defines, in the simplest way there is."""
    yield from document["nodes"]
    for subgraph in subgraphs_of(document):
        yield from subgraph["nodes"]


def subgraphs_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the subgraphs that a document defines."""
    found: list[dict[str, Any]] = (document.get("definitions") or {}).get("subgraphs") or []
    return found


def subgraph_ids(document: dict[str, Any]) -> set[str]:
    """Return the classes of a document's nodes that are instances of its subgraphs."""
    return {subgraph["id"] for subgraph in subgraphs_of(document)}


def declared_models(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every entry of `properties.models` in a document."""
    return [model for node in nodes_of(document) for model in (node.get("properties") or {}).get("models") or []]
