"""Where nodes are drawn."""

import time
from itertools import pairwise

from comfyfleet.core.graph_layout import NODE_WIDTH, Drawing, draw
from comfyfleet.core.graphs import Graph

GRAPH: Graph = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "{{PROMPT}}", "clip": ["4", 0]}},
    "3": {"class_type": "KSampler", "inputs": {"seed": 5, "steps": 20, "model": ["4", 0], "positive": ["2", 0]}},
    "4": {"class_type": "Loader", "inputs": {"flag": True}},
    "5": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}},
    "6": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "x"}},
}


def assert_readable(drawing: Drawing) -> None:
    """Check that nodes do not overlap, stay within the drawing, and that their inputs lie within them."""
    by_column: dict[int, list[tuple[int, int]]] = {}
    for node in drawing.nodes:
        by_column.setdefault(node.x, []).append((node.y, node.y + node.height))
        assert 0 <= node.x <= drawing.width - NODE_WIDTH
        assert 0 <= node.y <= drawing.height - node.height
        assert all(node.y < entry.y < node.y + node.height for entry in node.inputs)
    columns = sorted(by_column)
    assert all(right - left > NODE_WIDTH for left, right in pairwise(columns))
    for spans in by_column.values():
        spans.sort()
        assert all(above[1] < below[0] for above, below in pairwise(spans))


def test_nodes_stand_right_of_what_they_are_linked_to_and_do_not_overlap() -> None:
    drawing = draw(GRAPH)
    places = {node.node_id: node for node in drawing.nodes}
    for edge in drawing.edges:
        assert places[edge.source].x + NODE_WIDTH < places[edge.target].x
    assert_readable(drawing)
    assert len(drawing.edges) == 5


def test_circles_and_links_to_nothing_are_drawn_as_far_as_they_go() -> None:
    graph: Graph = {
        "1": {"class_type": "A", "inputs": {"x": ["2", 0]}},
        "2": {"class_type": "B", "inputs": {"x": ["1", 0], "y": ["9", 0]}},
    }
    assert len(draw(graph).edges) == 2


def test_a_long_chain_is_drawn_without_recursion() -> None:
    graph: Graph = {"0": {"class_type": "A", "inputs": {}}}
    graph |= {str(n): {"class_type": "A", "inputs": {"x": [str(n - 1), 0]}} for n in range(1, 3000)}
    assert len(draw(dict(reversed(graph.items()))).edges) == 2999


def test_what_a_node_shows_is_its_title_and_short_values() -> None:
    node = {
        "class_type": "X",
        "inputs": {"a": "line\nline " * 50, "b": ["1", 0], "c": None},
        "_meta": {"title": "Mine"},
    }
    (placed,) = draw({"2": node}).nodes
    assert (placed.title, placed.class_type) == ("Mine", "X")
    shown = {entry.name: entry.value for entry in placed.inputs}
    assert shown["b"] is None
    assert shown["c"] == "None"
    assert shown["a"] is not None
    assert len(shown["a"]) < 40


def test_a_chain_beside_others_is_drawn_straight() -> None:
    graph: Graph = {}
    for row in "abc":
        graph |= {f"{row}{n}": {"class_type": "X", "inputs": {"x": [f"{row}{n - 1}", 0]}} for n in (3, 1, 2, 0)}
    places = {node.node_id: node.y for node in draw(graph).nodes}
    for row in "abc":
        assert len({places[f"{row}{n}"] for n in range(4)}) == 1


def test_500_nodes_are_drawn_at_once() -> None:
    graph: Graph = {}
    for n in range(500):
        links = {f"in{i}": [str((n * 37 + i * 101) % n), 0] for i in range(min(n, 3))}
        graph[str(n)] = {"class_type": "X", "inputs": {**links, "value": n}}
    began = time.process_time()
    drawing = draw(graph)
    assert time.process_time() - began < 1
    assert_readable(drawing)
    assert len(drawing.nodes) == 500
