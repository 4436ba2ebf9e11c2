"""All official templates are read: what to set, what comes out, and how they are drawn."""

from collections import Counter
from typing import Any, Final

import pytest
from tests.integration.templates.api_graphs import api_graphs

from comfyfleet.core.graph_layout import draw
from comfyfleet.core.graphs import is_link, parse_graph
from comfyfleet.core.properties import PropertyType
from comfyfleet.core.proposals import Proposal, propose
from comfyfleet.core.workflows import WorkflowSpec, check_workflow

WITHOUT_FILE: Final = {
    "GetVideoComponents",
    "LoadImage",
    "LoadVideo",
    "MaskPreview",
    "Preview3D",
    "PreviewAny",
    "Save3DAdvanced",
    "SaveSVGNode",
    "SaveText",
}
"""Where templates end that make no image, video, sound or GLB."""


@pytest.fixture(scope="module")
def graphs() -> dict[str, dict[str, Any]]:
    return api_graphs()


@pytest.fixture(scope="module")
def proposals(graphs: dict[str, dict[str, Any]]) -> dict[str, Proposal]:
    return {name: propose(parse_graph(graph)) for name, graph in graphs.items()}


def test_what_any_template_proposes_can_be_imported(
    graphs: dict[str, dict[str, Any]], proposals: dict[str, Proposal]
) -> None:
    assert len(graphs) == 644
    for name, found in proposals.items():
        output = found.outputs[0].node_id if found.outputs else next(iter(graphs[name]))
        check_workflow(WorkflowSpec(graphs[name], output, "mp4", "video/mp4", found.properties))
        assert sum(prop.is_primary_input for prop in found.properties) <= 1


def test_every_file_and_every_prompt_of_a_template_is_proposed(
    graphs: dict[str, dict[str, Any]], proposals: dict[str, Proposal]
) -> None:
    wanted = {
        "LoadImage": ("image", PropertyType.IMAGE),
        "LoadVideo": ("file", PropertyType.VIDEO),
        "LoadAudio": ("audio", PropertyType.AUDIO),
        "CLIPTextEncode": ("text", PropertyType.TEXT),
        "RandomNoise": ("noise_seed", PropertyType.SEED),
    }
    checked: Counter[str] = Counter()
    for name, graph in graphs.items():
        found = {(prop.node_id, prop.input_name): prop for prop in proposals[name].properties}
        for node_id, node in graph.items():
            input_name, kind = wanted.get(node["class_type"], ("", None))
            value = node["inputs"].get(input_name)
            if kind is not None and value is not None and not is_link(value):
                assert found[node_id, input_name].type is kind, (name, node_id)
                checked[node["class_type"]] += 1
    assert min(checked[class_type] for class_type in wanted) > 10, checked


def test_the_output_of_a_template_is_proposed_unless_it_makes_no_file(
    graphs: dict[str, dict[str, Any]], proposals: dict[str, Proposal]
) -> None:
    for name, graph in graphs.items():
        used = {value[0] for node in graph.values() for value in node["inputs"].values() if is_link(value)}
        ends = {node["class_type"] for node_id, node in graph.items() if node_id not in used}
        assert proposals[name].outputs or ends <= WITHOUT_FILE, (name, ends)


def test_any_template_is_drawn_without_overlaps(graphs: dict[str, dict[str, Any]]) -> None:
    for name, graph in graphs.items():
        drawing = draw(parse_graph(graph))
        assert len(drawing.nodes) == len(graph)
        columns: dict[int, list[tuple[int, int]]] = {}
        for node in drawing.nodes:
            columns.setdefault(node.x, []).append((node.y, node.y + node.height))
        for spans in columns.values():
            spans.sort()
            ends = [end for _, end in spans[:-1]]
            assert all(end < start for end, (start, _) in zip(ends, spans[1:], strict=True)), name
