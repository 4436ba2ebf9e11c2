"""Where the nodes of a workflow are drawn: in layers from left to right, links crossing little.

The method is Sugiyama's: layers by the longest path, then a few sweeps that order each layer by the mean place of what
its nodes are linked to (K. Sugiyama et al., IEEE Trans. SMC 11(2), 1981).
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final

from comfyfleet.core.graphs import Graph, is_link

NODE_WIDTH: Final = 210
LINE_HEIGHT: Final = 18
HEADER_HEIGHT: Final = 26
_GAP_X: Final = 70
_GAP_Y: Final = 24
_MARGIN: Final = 16
_SWEEPS: Final = 4
_SHOWN_VALUE: Final = 26


@dataclass(frozen=True)
class Input:
    """One input of a node: its name, and a value as text, or None where it is linked."""

    name: str
    value: str | None
    y: int


@dataclass(frozen=True)
class PlacedNode:
    """A node with its corner and size, in pixels."""

    node_id: str
    class_type: str
    title: str
    x: int
    y: int
    height: int
    inputs: tuple[Input, ...]


@dataclass(frozen=True)
class Edge:
    """A link, from the right of one node to an input at the left of another, as a cubic curve's SVG path."""

    source: str
    target: str
    path: str


@dataclass(frozen=True)
class Drawing:
    """A drawn workflow, in pixels."""

    width: int
    height: int
    nodes: tuple[PlacedNode, ...]
    edges: tuple[Edge, ...]


def draw(graph: Graph) -> Drawing:
    """Place the nodes of a graph; links to nodes that are not there, and circles, are drawn as far as they go."""
    before = {node_id: _sources(graph, node) for node_id, node in graph.items()}
    layers = _ordered(_layers(graph, before), before)
    nodes = _placed(graph, layers)
    height = max(node.y + node.height for node in nodes.values()) + _MARGIN
    width = max(node.x for node in nodes.values()) + NODE_WIDTH + _MARGIN
    return Drawing(width, height, tuple(nodes.values()), tuple(_edges(graph, nodes)))


def _sources(graph: Graph, node: dict[str, Any]) -> list[str]:
    linked = (str(value[0]) for value in node["inputs"].values() if is_link(value))
    return list(dict.fromkeys(source for source in linked if source in graph))


def _layers(graph: Graph, before: dict[str, list[str]]) -> dict[str, int]:
    """Return each node's layer: one more than the last of what it is linked to, but for links that close a circle."""
    layers: dict[str, int] = {}
    for root in graph:
        stack = [(root, iter(before[root]))]
        underway = {root}
        while stack:
            node_id, sources = stack[-1]
            open_source = next((one for one in sources if one not in layers and one not in underway), None)
            if open_source is not None:
                underway.add(open_source)
                stack.append((open_source, iter(before[open_source])))
                continue
            stack.pop()
            underway.discard(node_id)
            if node_id not in layers:
                layers[node_id] = max((layers[one] + 1 for one in before[node_id] if one in layers), default=0)
    return layers


def _ordered(layer_of: dict[str, int], before: dict[str, list[str]]) -> list[list[str]]:
    layers: list[list[str]] = [[] for _ in range(max(layer_of.values()) + 1)]
    for node_id, number in layer_of.items():
        layers[number].append(node_id)
    after: dict[str, list[str]] = defaultdict(list)
    for node_id, sources in before.items():
        for source in sources:
            after[source].append(node_id)
    place = {node_id: index for layer in layers for index, node_id in enumerate(layer)}
    for sweep in range(_SWEEPS):
        neighbours, order = (before, layers) if sweep % 2 == 0 else (after, layers[::-1])
        for layer in order:
            wanted = {one: _mean([place[other] for other in neighbours.get(one, ())], place[one]) for one in layer}
            layer.sort(key=wanted.__getitem__)
            place.update((node_id, index) for index, node_id in enumerate(layer))
    return layers


def _mean(places: list[int], otherwise: int) -> float:
    return sum(places) / len(places) if places else float(otherwise)


def _placed(graph: Graph, layers: list[list[str]]) -> dict[str, PlacedNode]:
    heights = {node_id: _height(graph[node_id]) for layer in layers for node_id in layer}
    tallest = max(sum(heights[node_id] + _GAP_Y for node_id in layer) for layer in layers)
    nodes = {}
    for column, layer in enumerate(layers):
        own = sum(heights[node_id] + _GAP_Y for node_id in layer)
        y = _MARGIN + (tallest - own) // 2
        for node_id in layer:
            nodes[node_id] = _place(node_id, graph[node_id], _MARGIN + column * (NODE_WIDTH + _GAP_X), y)
            y += heights[node_id] + _GAP_Y
    return nodes


def _height(node: dict[str, Any]) -> int:
    return HEADER_HEIGHT + LINE_HEIGHT * len(node["inputs"]) + 8


def _place(node_id: str, node: dict[str, Any], x: int, y: int) -> PlacedNode:
    inputs = tuple(
        Input(
            name, None if is_link(value) else shown(value), y + HEADER_HEIGHT + LINE_HEIGHT * index + LINE_HEIGHT // 2
        )
        for index, (name, value) in enumerate(node["inputs"].items())
    )
    meta = node.get("_meta")
    title = meta.get("title") if isinstance(meta, dict) else None
    return PlacedNode(node_id, node["class_type"], str(title or node["class_type"]), x, y, _height(node), inputs)


def shown(value: object) -> str:
    """Return an input's value as a short text."""
    text = " ".join(str(value).split())
    return text if len(text) <= _SHOWN_VALUE else f"{text[: _SHOWN_VALUE - 1]}…"


def _edges(graph: Graph, nodes: dict[str, PlacedNode]) -> list[Edge]:
    edges = []
    for target in nodes.values():
        for entry in target.inputs:
            value = graph[target.node_id]["inputs"][entry.name]
            if is_link(value) and value[0] in nodes:
                source = nodes[value[0]]
                x1, y1, x2, y2 = source.x + NODE_WIDTH, source.y + HEADER_HEIGHT // 2, target.x, entry.y
                bend = max(40, abs(x2 - x1) // 2)
                path = f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
                edges.append(Edge(source.node_id, target.node_id, path))
    return edges
