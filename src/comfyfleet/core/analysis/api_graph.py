"""Reads a workflow in API format."""

from collections.abc import Iterator
from typing import Any, Final

from comfyfleet.core.analysis.loaders import VALUE_NODES
from comfyfleet.core.analysis.reading import MAX_DEPTH, Budget, Text, texts_in
from comfyfleet.core.analysis.seen import SeenNode
from comfyfleet.core.graphs import Graph, is_link, parse_graph

_VALUE_INPUTS: Final = ("value", "choice")


def read_api(document: object, budget: Budget) -> list[SeenNode]:
    """Return the nodes of a graph; raise `GraphInvalid` if it is none."""
    graph = parse_graph(document)
    budget.spend(nodes=len(graph))
    return [
        SeenNode(str(node_id)[:200], node["class_type"][:1000], tuple(_texts(graph, node["inputs"], budget)))
        for node_id, node in graph.items()
    ]


def _texts(graph: Graph, inputs: dict[str, Any], budget: Budget) -> Iterator[Text]:
    for name, value in inputs.items():
        yield from texts_in(str(name), _literal(graph, value), budget)


def _literal(graph: Graph, value: object) -> object:
    """Follow a link to the node that only holds a value, such as PrimitiveString."""
    for _ in range(MAX_DEPTH):
        if not (isinstance(value, list) and is_link(value)):
            break
        source = graph.get(value[0])
        if source is None or source["class_type"] not in VALUE_NODES:
            break
        value = next((source["inputs"][name] for name in _VALUE_INPUTS if name in source["inputs"]), None)
    return value
