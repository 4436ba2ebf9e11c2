"""What a workflow could be is told before it is imported, and everything that is wrong with it."""

from typing import Any

import pytest
from tests.support.control_plane import ControlPlane
from tests.support.operator import OperatorAccess
from tests.support.workflow_library import GRAPH, IMAGE, RADIUS, soft


@pytest.fixture
def operator(control_plane: ControlPlane) -> OperatorAccess:
    return OperatorAccess(control_plane)


async def test_a_graph_proposes_properties_and_outputs(operator: OperatorAccess) -> None:
    found = await operator.post("/workflows/propose", {"document": GRAPH})
    assert [(prop["key"], prop["type"], prop["is_primary_input"]) for prop in found["properties"]] == [
        ("image", "image", True),
        ("style", "text", False),
    ]
    assert [(output["node_id"], output["extension"], output["mime_type"]) for output in found["outputs"]] == [
        ("9", "png", "image/png")
    ]


async def test_what_is_proposed_can_be_imported(operator: OperatorAccess) -> None:
    found = await operator.post("/workflows/propose", {"document": GRAPH})
    body = soft(properties=found["properties"])
    assert (await operator.post("/workflows/check", body))["problems"] == []
    assert (await operator.post("/workflows", body))["version"] == 1


async def test_an_input_that_is_pointed_at_has_one_property(operator: OperatorAccess) -> None:
    body = {"document": GRAPH, "node_id": "3", "input_name": "sigma"}
    (prop,) = (await operator.post("/workflows/propose", body))["properties"]
    assert (prop["type"], prop["default"], prop["node_id"], prop["input_name"]) == ("number", 1.5, "3", "sigma")
    body = {"document": GRAPH, "node_id": "3", "input_name": "image"}
    assert (await operator.post("/workflows/propose", body))["properties"] == []


async def test_a_workflow_in_ui_format_is_told_how_to_be_exported(operator: OperatorAccess) -> None:
    answer = await operator.call("POST", "/workflows/propose", {"document": {"nodes": [], "links": [], "version": 0.4}})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "graph_invalid")
    assert answer.json()["message"] == "This is a workflow in UI format, not in API format."
    assert "Workflow → Export (API)" in answer.json()["error"]["hint"]


async def test_every_problem_is_told_at_once(operator: OperatorAccess) -> None:
    wrong: list[dict[str, Any]] = [
        {**IMAGE, "is_primary_input": True},
        {**RADIUS, "key": "Radius!", "input_name": "nothing"},
        {"key": "prompt", "type": "text", "placeholder": "{{PROMPT}}"},
        {"key": "twice", "type": "number", "minimum": 2, "maximum": 1, "node_id": "3", "input_name": "sigma"},
    ]
    body = soft("Not a slug", output_node_id="77", output_extension=".png", properties=wrong)
    problems = (await operator.post("/workflows/check", body))["problems"]
    assert {problem["code"] for problem in problems} == {"workflow_invalid"}
    assert all(problem["hint"] for problem in problems)
    words = " ".join(problem["message"] for problem in problems)
    for part in (
        "no slug",
        "'77'",
        "no file extension",
        "no property key",
        "'nothing'",
        "{{PROMPT}}",
        "above its maximum",
    ):
        assert part in words, part
    first = (await operator.call("POST", "/workflows", body)).json()
    assert first["message"] == problems[0]["message"]
    assert not [item for item in await operator.get("/workflows") if item["name"] == "Soft"]


async def test_names_longer_than_a_property_may_have_are_left_alone(operator: OperatorAccess) -> None:
    long = "x" * 5000
    graph = {
        "1": {"class_type": "CLIPTextEncode", "inputs": {"text": f"{{{{{long}}}}}"}, "_meta": {"title": long}},
        long: {"class_type": "KSampler", "inputs": {"seed": 1, "steps": 20}},
        "3": {"class_type": long, "inputs": {long: "a", "prompt_" + long: "b", "text": "c" * 100_001}},
    }
    assert (await operator.post("/workflows/propose", {"document": graph})) is not None
    for node_id, name in (("3", long), ("3", "text"), ("1", "text")):
        body = {"document": graph, "node_id": node_id, "input_name": name}
        answer = await operator.call("POST", "/workflows/propose", body)
        assert answer.status_code in {200, 422}, answer.text


async def test_numbers_that_json_does_not_have_are_refused(control_plane: ControlPlane) -> None:
    document = '{"1": {"class_type": "SaveImage", "inputs": {"strength": NaN}}}'
    new = '{"name": "n", "slug": "n", "output_node_id": "1", "graph": ' + document + "}"
    headers = {"Content-Type": "application/json"}
    async with control_plane.client() as client:
        for path, body in (("propose", '{"document": ' + document + "}"), ("check", new), ("", new)):
            answer = await client.post(f"/api/workflows/{path}".rstrip("/"), content=body, headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (422, "graph_invalid"), path
