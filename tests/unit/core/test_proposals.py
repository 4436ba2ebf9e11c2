"""What the properties of a graph could be."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyfleet.core.graphs import Graph
from comfyfleet.core.properties import PropertyType
from comfyfleet.core.proposals import MAX_PROPERTIES, property_of, propose
from comfyfleet.core.workflows import WorkflowSpec, check_workflow, problems_of
from comfyfleet.protocol.api import PropertyModel
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


def one(class_type: str, title: str, inputs: dict[str, object]) -> list[tuple[str, str, PropertyType]]:
    """Return key, label and type of what one node proposes."""
    graph: Graph = {"1": {"class_type": class_type, "inputs": inputs, "_meta": {"title": title}}}
    return [(prop.key, prop.label, prop.type) for prop in propose(graph).properties]


@pytest.mark.parametrize(
    ("class_type", "title", "inputs", "expected"),
    [
        ("LoadImage", "Load Image", {"image": "a.png"}, ("image", "Image", PropertyType.IMAGE)),
        ("LoadImage", "Your face", {"image": "a.png"}, ("image", "Your face", PropertyType.IMAGE)),
        ("LoadVideo", "", {"file": "a.mp4"}, ("video", "Video", PropertyType.VIDEO)),
        ("VHS_LoadVideo", "", {"video": "a.mp4"}, ("video", "Video", PropertyType.VIDEO)),
        ("LoadAudio", "", {"audio": "a.mp3"}, ("audio", "Audio", PropertyType.AUDIO)),
        ("CLIPTextEncode", "CLIP Text Encode (Prompt)", {"text": "x"}, ("prompt", "Prompt", PropertyType.TEXT)),
        (
            "CLIPTextEncode",
            "CLIP Text Encode (Negative Prompt)",
            {"text": "x"},
            ("negative_prompt", "Negative prompt", PropertyType.TEXT),
        ),
        ("CLIPTextEncode", "Style", {"text": "x"}, ("style", "Style", PropertyType.TEXT)),
        ("CLIPTextEncodeFlux", "", {"clip_l": 1, "prompt": "x"}, ("prompt", "Prompt", PropertyType.TEXT)),
        ("PrimitiveInt", "Frame Count", {"value": 5}, ("frame_count", "Frame Count", PropertyType.NUMBER)),
        ("PrimitiveBoolean", "", {"value": False}, ("value", "Value", PropertyType.BOOLEAN)),
        ("RandomNoise", "", {"noise_seed": 5}, ("noise_seed", "Noise seed", PropertyType.SEED)),
        ("KSampler", "", {"cfg": 7.5}, ("cfg", "CFG", PropertyType.NUMBER)),
        ("Anything", "", {"filename_prefix": "__NAME__"}, ("name", "Name", PropertyType.TEXT)),
        ("Prompt", "提示词", {"text": "x"}, ("value", "提示词", PropertyType.TEXT)),
    ],
)
def test_what_a_person_would_set_is_proposed_under_a_name_that_says_it(
    class_type: str, title: str, inputs: dict[str, object], expected: tuple[str, str, PropertyType]
) -> None:
    assert one(class_type, title, inputs) == [expected]


@pytest.mark.parametrize(
    ("class_type", "inputs"),
    [
        ("SaveImage", {"filename_prefix": "x"}),
        ("StringReplace", {"string": "a", "text": "b"}),
        ("KSampler", {"seed": "from a text", "steps": True, "cfg": None, "width": [1, 2, 3]}),
        ("ImageBlur", {"image": "not a file of a loader"}),
    ],
)
def test_other_inputs_are_left_to_the_person(class_type: str, inputs: dict[str, object]) -> None:
    assert one(class_type, "", inputs) == []


def test_a_text_that_only_negative_inputs_take_is_the_negative_prompt() -> None:
    graph: Graph = {
        "1": {"class_type": "CLIPTextEncode", "inputs": {"text": "good"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "bad"}},
        "3": {"class_type": "ControlNetApplyAdvanced", "inputs": {"positive": ["1", 0], "negative": ["2", 0]}},
    }
    assert [prop.key for prop in propose(graph).properties] == ["prompt", "negative_prompt"]


def test_each_placeholder_of_a_text_is_a_property_once() -> None:
    graph: Graph = {
        "1": {"class_type": "CLIPTextEncode", "inputs": {"text": "{{STYLE}} of {{ SUBJECT }}, {{STYLE}}"}},
        "2": {"class_type": "Notes", "inputs": {"lines": ["by {{STYLE}}", ["__PAINTER__"]]}},
    }
    found = propose(graph).properties
    assert [(prop.key, prop.placeholder) for prop in found] == [
        ("style", "{{STYLE}}"),
        ("subject", "{{ SUBJECT }}"),
        ("painter", "__PAINTER__"),
    ]
    assert all(prop.node_id is None and prop.default is None for prop in found)


def test_users_set_what_they_want_to_see_and_effects_how_it_is_rendered() -> None:
    inputs = {"text": "x", "width": 8, "seed": 1, "steps": 20, "batch_size": 4}
    graph: Graph = {"1": {"class_type": "X", "inputs": inputs}}
    found = {prop.key: prop.user_configurable for prop in propose(graph).properties}
    assert found == {"prompt": True, "width": True, "steps": False, "batch_size": False, "seed": True}
    pointed_at = property_of(graph, "1", "steps")
    assert pointed_at is not None
    assert pointed_at.user_configurable


def test_what_is_there_twice_is_numbered() -> None:
    graph: Graph = {str(n): {"class_type": "X", "inputs": {"width": 8}} for n in range(3)}
    assert [prop.label for prop in propose(graph).properties] == ["Width", "Width 2", "Width 3"]


def test_keys_never_meet() -> None:
    texts = {"prompt": "a", "prompt_2": "b", "Prompt": "c", "PROMPT": "d"}
    graph: Graph = {str(n): {"class_type": "X", "inputs": dict(texts)} for n in range(3)}
    found = propose(graph).properties
    assert len({prop.key for prop in found}) == len(found) == 12
    check_workflow(WorkflowSpec(graph, "1", "png", "image/png", found))


@pytest.mark.parametrize("value", [-1, 2**53, 2**64, float("nan")], ids=str)
def test_a_seed_that_is_none_has_no_default(value: float) -> None:
    graph: Graph = {"1": {"class_type": "KSampler", "inputs": {"seed": value}}}
    (seed,) = propose(graph).properties
    assert (seed.type, seed.default) == (PropertyType.SEED, None)


def test_a_text_that_is_too_long_has_no_default_and_a_name_that_is_too_long_no_property() -> None:
    graph: Graph = {
        "1": {"class_type": "X", "inputs": {"text": "x" * 100_001, "prompt_" + "x" * 200: "x", "steps": 1}},
        "2" * 201: {"class_type": "X", "inputs": {"text": "x"}},
        "3": {"class_type": "X", "inputs": {"text": "{{" + "X" * 200 + "}}"}, "_meta": {"title": "t" * 5000}},
    }
    assert [(prop.key, prop.default) for prop in propose(graph).properties] == [("prompt", None), ("steps", 1)]
    assert property_of(graph, "1", "prompt_" + "x" * 200) is None


def test_no_more_is_proposed_than_a_workflow_may_have() -> None:
    graph: Graph = {str(n): {"class_type": "X", "inputs": {"text": "x"}} for n in range(5000)}
    assert len(propose(graph).properties) == MAX_PROPERTIES


def test_a_choice_begins_with_what_is_chosen() -> None:
    graph: Graph = {"1": {"class_type": "KSampler", "inputs": {"sampler_name": "euler", "list": [1], "none": None}}}
    found = property_of(graph, "1", "sampler_name")
    assert found is not None
    assert (found.type, found.choices, found.default) == (PropertyType.CHOICE, ("euler",), "euler")
    assert property_of(graph, "1", "list") is None
    assert property_of(graph, "1", "none") is None


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text(), max_size=2)
NAMES = st.sampled_from(["text", "seed", "steps", "image", "value", "sampler_name"]) | st.text(max_size=300)
CLASSES = st.sampled_from(["LoadImage", "KSampler", "PrimitiveInt", "CLIPTextEncode"]) | st.text()
NODES = st.fixed_dictionaries(
    {"class_type": CLASSES, "inputs": st.dictionaries(NAMES, VALUES, max_size=5)},
    optional={"_meta": st.fixed_dictionaries({"title": st.text() | st.none()})},
)


@given(st.dictionaries(st.text(max_size=250), NODES, min_size=1, max_size=5))
def test_whatever_a_graph_holds_its_proposal_can_be_imported(graph: Graph) -> None:
    found = propose(graph).properties
    pointed_at = [property_of(graph, node_id, name) for node_id, node in graph.items() for name in node["inputs"]]
    for prop in (*found, *filter(None, pointed_at)):
        assert PropertyModel.from_property(prop).to_property() == prop
        check_workflow(WorkflowSpec(graph, next(iter(graph)), "png", "image/png", (prop,)))
    check_workflow(WorkflowSpec(graph, next(iter(graph)), "png", "image/png", found))
