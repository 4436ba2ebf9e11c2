"""What differs between two versions of a workflow."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfleet.core.graph_changes import Change, changes_between
from comfyfleet.core.graphs import Graph
from comfyfleet.core.properties import Property, PropertyType
from comfyfleet.core.workflows import WorkflowSpec

GRAPH: Graph = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}, "_meta": {"title": "The picture"}},
    "2": {"class_type": "Blur", "inputs": {"image": ["1", 0], "radius": 1}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0]}},
}
RADIUS = Property("radius", PropertyType.NUMBER, default=1, node_id="2", input_name="radius")
NAME = Property("name", PropertyType.TEXT, placeholder="__NAME__")
SPEC = WorkflowSpec(GRAPH, "3", "png", "image/png", (RADIUS, NAME))


def after(change: dict[tuple[str, ...], Any]) -> WorkflowSpec:
    """Return the workflow with values at these paths of its graph set."""
    graph = deepcopy(GRAPH)
    for path, value in change.items():
        place: Any = graph
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = value
    return replace(SPEC, graph=graph)


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (after({("2", "inputs", "radius"): 5}), Change("changed", "node 2 (Blur): radius", "1", "5")),
        (after({("2", "inputs", "radius"): 1.0}), Change("changed", "node 2 (Blur): radius", "1", "1.0")),
        (after({("2", "inputs", "radius"): True}), Change("changed", "node 2 (Blur): radius", "1", "True")),
        (after({("2", "inputs", "sigma"): None}), Change("added", "node 2 (Blur): sigma", None, None)),
        (
            after({("2", "inputs", "image"): ["1", 1]}),
            Change("changed", "node 2 (Blur): image", "link to node 1, output 0", "link to node 1, output 1"),
        ),
        (after({("2", "class_type"): "Soften"}), Change("changed", "node 2 (Soften): class", "Blur", "Soften")),
        (
            after({("1", "_meta", "title"): "Yours"}),
            Change("changed", "node 1 (LoadImage): title", "The picture", "Yours"),
        ),
        (after({("2", "_meta"): {"title": "New"}}), Change("added", "node 2 (Blur): title", None, "New")),
        (after({("2", "mode"): 4}), Change("added", "node 2 (Blur): mode", None, "4")),
        (after({("4",): {"class_type": "Note", "inputs": {}}}), Change("added", "node 4 (Note)")),
        (replace(SPEC, output_node_id="2"), Change("changed", "output node id", "3", "2")),
        (replace(SPEC, output_extension="jpg"), Change("changed", "output extension", "png", "jpg")),
        (replace(SPEC, properties=(RADIUS,)), Change("removed", "property name")),
        (
            replace(SPEC, properties=(replace(RADIUS, default=1.0), NAME)),
            Change("changed", "property radius: default", "1", "1.0"),
        ),
        (
            replace(SPEC, properties=(NAME, RADIUS)),
            Change("changed", "order of the properties", "radius, name", "name, radius"),
        ),
    ],
)
def test_each_difference_is_told_with_its_place(new: WorkflowSpec, expected: Change) -> None:
    assert changes_between(SPEC, new) == [expected]


def test_the_order_of_nodes_and_inputs_says_nothing() -> None:
    turned = {node_id: {**node, "inputs": dict(reversed(node["inputs"].items()))} for node_id, node in GRAPH.items()}
    assert changes_between(SPEC, replace(SPEC, graph=dict(reversed(turned.items())))) == []


def test_a_removed_node_is_told_by_what_it_was() -> None:
    graph = {node_id: node for node_id, node in GRAPH.items() if node_id != "2"}
    assert changes_between(SPEC, replace(SPEC, graph=graph)) == [Change("removed", "node 2 (Blur)")]


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
INPUTS = st.dictionaries(st.text(max_size=2), SCALARS | st.lists(SCALARS, max_size=2), max_size=3)
GRAPHS = st.dictionaries(
    st.text(max_size=2), st.fixed_dictionaries({"class_type": st.text(max_size=3), "inputs": INPUTS}), max_size=3
)


@given(GRAPHS, GRAPHS)
def test_nothing_is_told_exactly_of_what_is_the_same(old: Graph, new: Graph) -> None:
    forth = changes_between(replace(SPEC, graph=old), replace(SPEC, graph=new))
    back = changes_between(replace(SPEC, graph=new), replace(SPEC, graph=old))
    assert len(forth) == len(back)
    assert changes_between(replace(SPEC, graph=old), replace(SPEC, graph=deepcopy(old))) == []
    assert bool(forth) >= (old != new)
