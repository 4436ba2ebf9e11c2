"""An import that contradicts itself is refused with what to do."""

import dataclasses

import pytest

from comfyfleet.core.graphs import Graph, GraphInvalid, parse_graph
from comfyfleet.core.properties import Property, PropertyType
from comfyfleet.core.workflows import WorkflowInvalid, WorkflowSpec, check_slug, check_workflow

GRAPH: Graph = {
    "1": {"class_type": "LoadVideo", "inputs": {"file": "__VIDEO__"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "PROMPT", "clip": ["1", 0]}},
}
VIDEO = Property("video", PropertyType.VIDEO, is_primary_input=True, placeholder="__VIDEO__")
TEXT = Property("prompt", PropertyType.TEXT, node_id="2", input_name="text")
SPEC = WorkflowSpec(GRAPH, "2", "mp4", "video/mp4", (VIDEO, TEXT))


def refused(*properties: Property, output_node_id: str = "2") -> str:
    spec = dataclasses.replace(SPEC, properties=properties or SPEC.properties, output_node_id=output_node_id)
    with pytest.raises(WorkflowInvalid) as caught:
        check_workflow(spec)
    return str(caught.value)


def test_a_sound_workflow_is_accepted() -> None:
    check_workflow(SPEC)


def test_a_workflow_from_text_alone_is_accepted() -> None:
    check_workflow(dataclasses.replace(SPEC, properties=(TEXT,)))


def test_an_unknown_output_node_is_refused_with_the_ones_there_are() -> None:
    assert "node 2 (CLIPTextEncode)" in refused(output_node_id="9")


def test_two_primary_inputs_are_refused() -> None:
    other = Property("other", PropertyType.IMAGE, is_primary_input=True, node_id="1", input_name="file")
    assert "Two properties are the primary input" in refused(VIDEO, other)


def test_a_text_cannot_be_the_primary_input() -> None:
    assert "has the type text" in refused(dataclasses.replace(TEXT, is_primary_input=True))


def test_a_placeholder_that_lost_its_braces_in_the_export_is_explained() -> None:
    message = refused(Property("prompt", PropertyType.TEXT, placeholder="{{PROMPT}}"))
    assert "took the braces away" in message
    assert "__PROMPT__" in message
    assert "node_id and input_name" in message


def test_a_placeholder_that_is_nowhere_is_refused() -> None:
    message = refused(Property("prompt", PropertyType.TEXT, placeholder="{{NOWHERE}}"))
    assert "is in no input" in message
    assert "braces away" not in message


def test_a_placeholder_in_a_title_only_is_refused() -> None:
    graph = {"1": {**GRAPH["1"], "_meta": {"title": "{{T}}"}}, "2": GRAPH["2"]}
    spec = dataclasses.replace(SPEC, graph=graph, properties=(Property("t", PropertyType.TEXT, placeholder="{{T}}"),))
    with pytest.raises(WorkflowInvalid):
        check_workflow(spec)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"node_id": "7"}, "node '7', which is not in the workflow"),
        ({"input_name": "prompt"}, "does not have. Its inputs are: text, clip"),
        ({"input_name": "clip"}, "linked to another node"),
        ({"input_name": None}, "names a node or an input, not both"),
        ({"node_id": None, "input_name": None}, "bound to nothing"),
        ({"key": "Bad Key"}, "no property key"),
        ({"type": PropertyType.CHOICE}, "has no choices"),
        ({"type": PropertyType.NUMBER, "minimum": 2.0, "maximum": 1.0}, "minimum above its maximum"),
    ],
)
def test_a_wrong_property_is_refused(changes: dict[str, object], says: str) -> None:
    assert says in refused(dataclasses.replace(TEXT, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"minimum": 1.0}, "has a minimum"),
        ({"maximum": 0.0}, "may last 0 seconds"),
        ({"maximum": float("inf")}, "may last inf seconds"),
        ({"type": PropertyType.IMAGE, "maximum": 5.0}, "does not last"),
        ({"default": "clip.mp4"}, "has a default"),
    ],
)
def test_a_wrong_bound_of_a_file_is_refused(changes: dict[str, object], says: str) -> None:
    assert says in refused(dataclasses.replace(VIDEO, **changes))  # type: ignore[arg-type]


def test_a_video_may_have_a_longest_duration() -> None:
    check_workflow(dataclasses.replace(SPEC, properties=(dataclasses.replace(VIDEO, maximum=10), TEXT)))


def test_two_properties_of_one_key_are_refused() -> None:
    assert "Two properties have the key" in refused(TEXT, TEXT)


@pytest.mark.parametrize("slug", ["", "-a", "a-", "A", "a_b", "a" * 65, "../x", "new"])
def test_a_bad_slug_is_refused(slug: str) -> None:
    with pytest.raises(WorkflowInvalid):
        check_slug(slug)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"nodes": [], "links": [], "version": 0.4}, "UI format"),
        ([], "not a JSON object"),
        ({}, "no nodes"),
        ({"1": {"inputs": {}}}, "no class_type"),
        ({"1": {"class_type": "A"}}, "no inputs"),
        ({"1": "x"}, "no class_type"),
    ],
)
def test_what_is_no_api_json_is_refused_with_how_to_export(document: object, says: str) -> None:
    with pytest.raises(GraphInvalid, match=says) as caught:
        parse_graph(document)
    assert "Export (API)" in caught.value.hint
