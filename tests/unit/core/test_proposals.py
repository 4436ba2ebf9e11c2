"""What a graph proposes."""

import json
from pathlib import Path

import pytest
from tests.support.bundle_library import graph_of

from comfyfleet.core.graph_changes import changes_between
from comfyfleet.core.graph_layout import NODE_WIDTH, draw
from comfyfleet.core.graphs import Graph
from comfyfleet.core.properties import PropertyType
from comfyfleet.core.proposals import property_of, propose
from comfyfleet.core.workflows import WorkflowSpec, check_workflow, problems_of
from comfyfleet.up import seed

SEEDS = sorted((Path(seed.__file__).parent).rglob("*_*.json"))
GRAPH: Graph = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "{{PROMPT}}", "clip": ["4", 0]}},
    "3": {
        "class_type": "KSampler",
        "inputs": {"seed": 2**64 - 1, "steps": 20, "model": ["4", 0], "positive": ["2", 0]},
    },
    "4": {"class_type": "Loader", "inputs": {"flag": True}},
    "5": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}},
    "6": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "x"}},
}


def spec_of(graph: Graph, **changes: object) -> WorkflowSpec:
    proposal = propose(graph)
    return WorkflowSpec(graph, "6", "png", "image/png", proposal.properties)


def test_files_come_first_and_one_of_them_is_the_primary_input() -> None:
    found = propose(GRAPH).properties
    assert [(prop.key, prop.type, prop.is_primary_input) for prop in found] == [
        ("image", PropertyType.IMAGE, True),
        ("prompt", PropertyType.TEXT, False),
        ("steps", PropertyType.NUMBER, False),
        ("seed", PropertyType.SEED, False),
    ]
    assert found[1].placeholder == "{{PROMPT}}"


def test_what_saves_a_file_comes_before_what_only_previews_it() -> None:
    assert [output.node_id for output in propose(GRAPH).outputs] == ["6", "5"]


def test_a_proposal_can_be_imported() -> None:
    check_workflow(spec_of(GRAPH))


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: path.stem)
def test_the_workflows_that_come_with_us_propose_what_they_have(path: Path) -> None:
    proposal = propose(json.loads(path.read_text()))
    assert proposal.outputs
    assert proposal.properties[0].is_primary_input


def test_an_input_that_a_person_points_at_has_a_property() -> None:
    flag = property_of(GRAPH, "4", "flag")
    assert flag is not None
    assert (flag.type, flag.default, flag.node_id) == (PropertyType.BOOLEAN, True, "4")


@pytest.mark.parametrize(("node_id", "name"), [("3", "model"), ("3", "none"), ("9", "x")])
def test_a_link_and_what_is_not_there_have_no_property(node_id: str, name: str) -> None:
    assert property_of(GRAPH, node_id, name) is None


def test_all_problems_are_told() -> None:
    twice = (propose(GRAPH).properties[0],) * 2
    found = [str(problem) for problem in problems_of(WorkflowSpec(GRAPH, "7", "MP4!", "x", twice))]
    assert len(found) == 5


def test_nodes_stand_right_of_what_they_are_linked_to_and_do_not_overlap() -> None:
    drawing = draw(GRAPH)
    places = {node.node_id: node for node in drawing.nodes}
    for edge in drawing.edges:
        assert places[edge.source].x + NODE_WIDTH < places[edge.target].x
    for one in drawing.nodes:
        for other in drawing.nodes:
            if one is not other and one.x == other.x:
                assert one.y + one.height < other.y or other.y + other.height < one.y
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


def test_changes_name_the_place_and_both_values() -> None:
    old, new = spec_of(GRAPH), json.loads(json.dumps(GRAPH))
    new["3"]["inputs"]["steps"] = 30
    del new["5"]
    new["7"] = graph_of("ink")["l0"]
    found = [(change.what, change.where, change.before, change.after) for change in changes_between(old, spec_of(new))]
    assert found == [
        ("added", "node 7 (LoraLoaderModelOnly)", None, None),
        ("changed", "node 3 (KSampler): steps", "20", "30"),
        ("removed", "node 5 (PreviewImage)", None, None),
        ("changed", "property steps: default", "20", "30"),
    ]
