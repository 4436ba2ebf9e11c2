"""What a user types arrives in its node exactly as typed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfleet.core.graphs import Graph, input_strings
from comfyfleet.core.payloads import fill, with_output_prefix
from comfyfleet.core.properties import Property, PropertyType
from comfyfleet.core.workflows import WorkflowSpec

VIDEO = Property("video", PropertyType.VIDEO, is_primary_input=True, placeholder="{{INPUT_VIDEO}}")
PROMPT = Property("prompt", PropertyType.TEXT, placeholder="{{PROMPT}}")
STEPS = Property("steps", PropertyType.NUMBER, node_id="2", input_name="steps")


def graph() -> Graph:
    return {
        "1": {"class_type": "LoadVideo", "inputs": {"file": "{{INPUT_VIDEO}}"}},
        "2": {"class_type": "Sampler", "inputs": {"text": "{{PROMPT}}", "steps": 20, "video": ["1", 0]}},
        "3": {"class_type": "Save", "inputs": {"images": ["2", 0], "filename_prefix": "mine/x"}},
    }


def spec(*properties: Property, nodes: Graph | None = None) -> WorkflowSpec:
    return WorkflowSpec(nodes or graph(), "3", "mp4", "video/mp4", properties)


@pytest.mark.parametrize(
    "text",
    [
        'say "hi"',
        "back\\slash \\n \\u0041",
        "line\nline\r\n\ttab",
        "👩‍🚀 ünï 漢字",
        "{{OTHER}} {{PROMPT}} {{INPUT_VIDEO}}",
        "x" * 10_000,
        '"}, "9": {"class_type": "Evil"',
        "",
    ],
)
def test_a_prompt_arrives_exactly_as_typed(text: str) -> None:
    payload = fill(spec(VIDEO, PROMPT), {"video": "u1", "prompt": text})
    assert json.loads(json.dumps(payload.graph))["2"]["inputs"]["text"] == text


@given(st.text(), st.text())
def test_any_text_arrives_as_typed_and_is_never_replaced_by_the_worker(first: str, second: str) -> None:
    note = Property("note", PropertyType.TEXT, placeholder="__NOTE__")
    nodes = graph() | {"4": {"class_type": "Note", "inputs": {"value": "__NOTE__"}}}
    payload = fill(spec(VIDEO, PROMPT, note, nodes=nodes), {"video": "u", "prompt": first, "note": second})
    assert payload.graph["2"]["inputs"]["text"] == first
    assert payload.graph["4"]["inputs"]["value"] == second
    holders = [text for text in input_strings(payload.graph) if payload.files[0].placeholder in text]
    assert holders == [payload.files[0].placeholder]


def test_a_number_stays_a_number() -> None:
    payload = fill(spec(PROMPT, STEPS), {"prompt": "p", "steps": 30})
    assert payload.graph["2"]["inputs"]["steps"] == 30
    assert isinstance(payload.graph["2"]["inputs"]["steps"], int)


def test_a_number_in_a_placeholder_of_its_own_stays_a_number_and_becomes_text_within_text() -> None:
    number = Property("n", PropertyType.NUMBER, placeholder="{{N}}")
    nodes: Graph = {"1": {"class_type": "A", "inputs": {"whole": "{{N}}", "within": "n is {{N}}."}}}
    inputs = fill(spec(number, nodes=nodes), {"n": 7}).graph["1"]["inputs"]
    assert inputs == {"whole": 7, "within": "n is 7."}


def test_placeholders_that_contain_each_other_are_told_apart() -> None:
    short = Property("a", PropertyType.TEXT, placeholder="%P%")
    long = Property("b", PropertyType.TEXT, placeholder="%P%P%")
    nodes: Graph = {"1": {"class_type": "A", "inputs": {"x": "%P%P%", "y": "%P%"}}}
    assert fill(spec(short, long, nodes=nodes), {"a": "A", "b": "B"}).graph["1"]["inputs"] == {"x": "B", "y": "A"}


def test_a_file_keeps_its_placeholder_when_nothing_collides() -> None:
    payload = fill(spec(VIDEO, PROMPT), {"video": "u1", "prompt": "plain"})
    assert payload.files[0].placeholder == "{{INPUT_VIDEO}}"
    assert payload.graph["1"]["inputs"]["file"] == "{{INPUT_VIDEO}}"


def test_a_file_bound_by_node_and_input_gets_a_placeholder_there() -> None:
    image = Property("image", PropertyType.IMAGE, node_id="1", input_name="file")
    payload = fill(spec(image), {"image": "u1"})
    assert payload.graph["1"]["inputs"]["file"] == payload.files[0].placeholder


def test_a_property_without_a_value_leaves_the_graph_as_authored() -> None:
    assert fill(spec(STEPS), {}).graph == graph()


def test_filling_changes_nothing_of_the_workflow_itself() -> None:
    before = graph()
    fill(spec(VIDEO, PROMPT, STEPS, nodes=before), {"video": "u", "prompt": "p", "steps": 1})
    assert before == graph()


def test_every_output_node_gets_a_prefix_of_its_own() -> None:
    assert with_output_prefix(graph(), "job-1")["3"]["inputs"]["filename_prefix"] == "job-1/3"


def test_a_linked_prefix_stays_linked() -> None:
    nodes: Graph = {"1": {"class_type": "S", "inputs": {"filename_prefix": ["2", 0]}}}
    assert with_output_prefix(nodes, "job-1") == nodes
