"""Whatever a document holds, the analysis ends, and refuses with a reason."""

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.core.analysis.documents import SUBGRAPH, api, declared, node, subgraph, ui, widget

from comfyfleet.core.analysis import disagreements_of, needs_of
from comfyfleet.core.graphs import GraphInvalid


def refused(document: object) -> str:
    with pytest.raises(GraphInvalid) as caught:
        needs_of(document)
    assert caught.value.hint
    return caught.value.message


def nested(depth: int, kind: type = list) -> object:
    value: object = "a"
    for _ in range(depth):
        value = [value] if kind is list else {"a": value}
    return value


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "text",
        3,
        {},
        {"nodes": []},
        {"nodes": [3]},
        {"nodes": [{}]},
        {"nodes": [{"id": 1}]},
        {"nodes": [{"id": [], "type": "A"}]},
        {"nodes": [{"id": True, "type": "A"}]},
        {"nodes": [{"id": 10**5000, "type": "A"}]},
        {"nodes": [{"id": 1, "type": "A", "properties": []}]},
        {"nodes": [{"id": 1, "type": "A", "inputs": {}}]},
        {"nodes": [{"id": 1, "type": "A", "inputs": ["x"]}]},
        {"nodes": [{"id": 1, "type": "A", "inputs": [{"link": {}}]}]},
        {"nodes": [{"id": 1, "type": "A", "properties": {"proxyWidgets": [3]}}]},
        {"nodes": [{"id": 1, "type": "A"}], "links": 3},
        {"nodes": [{"id": 1, "type": "A"}], "links": [[1]]},
        {"nodes": [{"id": 1, "type": "A"}], "links": [{"id": None}]},
        {"nodes": [{"id": 1, "type": "A"}], "definitions": []},
        {"nodes": [{"id": 1, "type": "A"}], "definitions": {"subgraphs": {}}},
        {"nodes": [{"id": 1, "type": "A"}], "definitions": {"subgraphs": [{"nodes": []}]}},
        {"nodes": [{"id": 1, "type": "A"}], "extra": {"groupNodes": {"x": []}}},
        {"1": {"class_type": 3, "inputs": {}}},
        {"1": {"class_type": "A", "inputs": []}},
        {"1": []},
    ],
    ids=lambda document: repr(document)[:60] if not isinstance(document, dict) else str(document.keys()),
)
def test_wrong_types_are_refused(document: object) -> None:
    refused(document)


@pytest.mark.parametrize("models", [3, [3], [{}], [{"name": "a.pt"}], [{"name": 3, "directory": "vae"}]])
def test_declarations_of_wrong_types_are_refused(models: object) -> None:
    refused(ui(node(1, "VAELoader", "a.pt", properties={"models": models})))


@pytest.mark.parametrize(
    ("name", "directory"),
    [("../a.pt", "vae"), ("a.pt", "../vae"), ("/a.pt", "vae"), ("a.pt", "/"), ("a\n.pt", "vae")],
)
def test_declarations_that_lead_outside_are_refused(name: str, directory: str) -> None:
    refused(ui(node(1, "VAELoader", properties=declared(name, directory))))


def test_an_instance_of_a_subgraph_that_the_file_lacks_is_refused() -> None:
    assert "does not hold" in refused(ui(node(1, SUBGRAPH)))


@pytest.mark.parametrize("kind", [list, dict])
@pytest.mark.parametrize("depth", [40, 100_000])
def test_deep_values_are_refused(kind: type, depth: int) -> None:
    value = nested(depth, kind)
    assert "deep" in refused(api(a=("A", {"x": value})))
    assert "deep" in refused(ui(node(1, "A", value)))


def test_deep_definitions_are_refused() -> None:
    inner: dict[str, Any] = {}
    for number in range(10_000):
        inner = {"subgraphs": [subgraph(key=f"k{number}") | {"definitions": inner}]}
    assert "deep" in refused(ui(node(1, "A")) | {"definitions": inner})


def test_a_subgraph_that_contains_itself_is_refused() -> None:
    keys = [f"{number:08x}-0000-0000-0000-000000000000" for number in range(3)]
    around = [subgraph(node(1, keys[(at + 1) % 3]), key=key) for at, key in enumerate(keys)]
    assert "contains itself" in refused(ui(node(1, keys[0]), subgraphs=around))


def test_subgraphs_that_multiply_are_refused() -> None:
    keys = [f"{number:08x}-0000-0000-0000-000000000000" for number in range(12)]
    levels = [
        subgraph(*(node(index, keys[at + 1]) for index in range(10)), key=keys[at]) for at in range(len(keys) - 1)
    ]
    levels.append(subgraph(node(1, "VAELoader", "a.pt"), key=keys[-1]))
    assert "too large" in refused(ui(node(1, keys[0]), subgraphs=levels))


def test_a_long_text_in_many_instances_is_refused() -> None:
    inner = subgraph(node(1, "CLIPTextEncode", "embedding:a " * 100_000))
    assert "too large" in refused(ui(*(node(index, SUBGRAPH) for index in range(1000)), subgraphs=[inner]))


def test_many_links_to_one_large_primitive_end() -> None:
    count = 50_000
    large = node(1, "PrimitiveNode", *range(count))
    links = [[index, 1, 0, 2, 0, "X"] for index in range(count)]
    taker = node(2, "A", inputs=[widget(f"i{index}", index) for index in range(count)])
    assert needs_of(ui(large, taker, links=links)).models == ()


def test_reroutes_in_a_circle_end() -> None:
    document = ui(
        node(1, "Reroute", inputs=[{"name": "", "link": 2}]),
        node(2, "Reroute", inputs=[{"name": "", "link": 1}]),
        node(3, "VAELoader", "a.pt", inputs=[widget("vae_name", 1)]),
        links=[[1, 1, 0, 2, 0, "X"], [2, 2, 0, 1, 0, "X"]],
    )
    assert [need.filename for need in needs_of(document).models] == ["a.pt"]


def test_huge_lists_are_refused() -> None:
    assert "too large" in refused(ui(*(node(index, "A") for index in range(20_001))))
    assert "too large" in refused({str(index): {"class_type": "A", "inputs": {}} for index in range(20_001)})
    assert "too large" in refused(api(a=("A", {"x": [0] * 500_001})))
    assert "too large" in refused(ui(node(1, "A", *([0] * 500_001))))
    assert "at most" in refused(ui(node(1, "A", properties={"models": [{}] * 201})))


WHOLE = ui(
    node(1, SUBGRAPH, "a.pt", properties={"proxyWidgets": [["7", "vae_name"]], "models": []}),
    node(2, "PrimitiveNode", "b.pt"),
    node(3, "Mystery", "c.gguf", inputs=[widget("x", 1)], properties={"aux_id": "a/b"} | declared("c.gguf", "unet")),
    links=[[1, 2, 0, 3, 0, "X"]],
    subgraphs=[
        subgraph(
            node(7, "VAELoader", "d.pt", inputs=[widget("vae_name", 5)]),
            inputs=("vae_name",),
            links=[{"id": 5, "origin_id": -10, "origin_slot": 0, "target_id": 7, "target_slot": 0}],
        )
    ],
) | {"extra": {"groupNodes": {"g": {"nodes": [{"type": "VAELoader", "widgets_values": {"vae_name": "e.pt"}}]}}}}
GRAPH = api(
    a=("VAELoader", {"vae_name": ["b", 0]}),
    b=("PrimitiveString", {"value": "a.pt"}),
    c=("Mystery", {"row": {"on": True, "lora": "b.pt"}, "text": "embedding:x"}),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([SUBGRAPH, "a.pt"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, inner in items for found in places(inner, (*path, key)))]


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_workflow_with_anything_put_anywhere_is_analyzed_or_refused(data: st.DataObject) -> None:
    document: Any = copy.deepcopy(data.draw(st.sampled_from([WHOLE, GRAPH])))
    for _ in range(data.draw(st.integers(1, 3))):
        *above, last = data.draw(st.sampled_from(places(document)[1:] or [("nodes",)]))
        holder = document
        for key in above:
            holder = holder[key]
        holder[last] = data.draw(JSON)
    try:
        needs = needs_of(document)
        disagreements_of(document)
    except GraphInvalid:
        return
    assert json.dumps([need.filename for need in needs.models])
