"""A workflow keeps what it was: each change that counts is a version, and every act is written down."""

from typing import Any

import pytest
from tests.support.control_plane import ControlPlane
from tests.support.operator import OperatorAccess
from tests.support.workflow_library import GRAPH, IMAGE, RADIUS, import_soft, soft, with_input


@pytest.fixture
def operator(control_plane: ControlPlane) -> OperatorAccess:
    return OperatorAccess(control_plane)


async def replace(operator: OperatorAccess, **changes: Any) -> dict[str, Any]:
    data: dict[str, Any] = await operator.data("PUT", "/workflows/soft", soft(**changes))
    return data


async def numbers(operator: OperatorAccess) -> list[int]:
    return [version["version"] for version in await operator.get("/workflows/soft/versions")]


async def changes(operator: OperatorAccess, before: int, after: int) -> list[tuple[str, str]]:
    found = await operator.get("/workflows/soft/diff", before=before, after=after)
    return [(change["what"], change["where"]) for change in found["changes"]]


async def test_an_import_is_the_first_version(operator: OperatorAccess) -> None:
    assert (await import_soft(operator))["version"] == 1
    (version,) = await operator.get("/workflows/soft/versions")
    assert (version["version"], version["created_by"]) == (1, "key: command line of this machine")
    assert await operator.acts("soft") == [("workflow.import", {})]


async def test_a_replacement_that_changes_what_runs_is_a_version(operator: OperatorAccess) -> None:
    await import_soft(operator)
    assert (await replace(operator, graph=with_input("3", "sigma", 2.5)))["version"] == 2
    assert (await replace(operator, graph=with_input("3", "sigma", 2.5), properties=[IMAGE]))["version"] == 3
    assert await numbers(operator) == [3, 2, 1]
    assert await changes(operator, 1, 2) == [("changed", "node 3 (ImageBlur): sigma")]
    assert await changes(operator, 2, 3) == [("removed", "property radius")]
    assert await changes(operator, 3, 3) == []
    assert (await operator.acts("soft"))[-1] == ("workflow.replace", {"version": 3})


@pytest.mark.parametrize(
    "same",
    [
        {},
        {"name": "Softer", "description": "new words"},
        {"is_active": False},
        {"graph": dict(reversed(GRAPH.items()))},
    ],
    ids=["all", "words", "switch", "order"],
)
async def test_a_replacement_that_changes_nothing_of_it_is_none(operator: OperatorAccess, same: dict[str, Any]) -> None:
    first = await import_soft(operator)
    again = await replace(operator, **same)
    assert (again["version"], again["comfyui_workflow_path"]) == (1, first["comfyui_workflow_path"])
    assert await numbers(operator) == [1]


@pytest.mark.parametrize("value", [1.0, True], ids=str)
async def test_values_that_only_python_holds_equal_are_changes(operator: OperatorAccess, value: float) -> None:
    first = await import_soft(operator, graph=with_input("3", "blur_radius", 1), properties=[IMAGE])
    again = await replace(operator, graph=with_input("3", "blur_radius", value), properties=[IMAGE])
    assert again["version"] == 2
    assert again["comfyui_workflow_path"] != first["comfyui_workflow_path"]
    assert await changes(operator, 1, 2) == [("changed", "node 3 (ImageBlur): blur_radius")]


async def test_the_order_of_properties_is_a_change_that_shows(operator: OperatorAccess) -> None:
    await import_soft(operator)
    assert (await replace(operator, properties=[RADIUS, IMAGE]))["version"] == 2
    assert await changes(operator, 1, 2) == [("changed", "order of the properties")]


async def test_a_version_is_shown_whole(operator: OperatorAccess) -> None:
    await import_soft(operator)
    await replace(operator, graph=with_input("3", "sigma", 2.5), properties=[IMAGE])
    first = await operator.get("/workflows/soft/versions/1")
    assert (first["version"], first["graph"], first["output_node_id"]) == (1, GRAPH, "9")
    assert [prop["key"] for prop in first["properties"]] == ["image", "radius"]
    second = await operator.get("/workflows/soft/versions/2")
    assert second["graph"]["3"]["inputs"]["sigma"] == 2.5
    assert first["comfyui_workflow_path"] != second["comfyui_workflow_path"]


async def test_an_old_version_becomes_the_newest(operator: OperatorAccess) -> None:
    first = await import_soft(operator)
    await replace(operator, name="Softer", graph=with_input("3", "sigma", 2.5), properties=[IMAGE])
    restored = await operator.post("/workflows/soft/restore", {"version": 1})
    assert (restored["version"], restored["name"]) == (3, "Softer")
    assert restored["comfyui_workflow_path"] == first["comfyui_workflow_path"]
    assert [prop["key"] for prop in restored["properties"]] == ["image", "radius"]
    assert await changes(operator, 1, 3) == []
    assert (await operator.acts("soft"))[-1] == ("workflow.restore", {"restored": 1, "version": 3})


async def test_restoring_what_it_is_changes_nothing(operator: OperatorAccess) -> None:
    await import_soft(operator)
    assert (await operator.post("/workflows/soft/restore", {"version": 1}))["version"] == 1
    assert await operator.acts("soft") == [("workflow.import", {})]


async def test_what_is_not_there_is_not_found(operator: OperatorAccess) -> None:
    await import_soft(operator)
    missing = (404, "workflow_version_not_found")
    assert await operator.refused("GET", "/workflows/soft/versions/2") == missing
    assert await operator.refused("GET", "/workflows/soft/diff", before=1, after=2) == missing
    assert await operator.refused("POST", "/workflows/soft/restore", {"version": 2}) == missing
    for path in ("", "/versions", "/versions/1", "/diff?before=1&after=1"):
        assert await operator.refused("GET", f"/workflows/none{path}") == (404, "workflow_not_found")
    assert await operator.refused("GET", "/workflows/a%00b") == (404, "workflow_not_found")
    assert (await operator.refused("GET", f"/workflows/soft/versions/{2**31}"))[0] == 422


async def test_old_versions_are_listed_within_a_limit(operator: OperatorAccess) -> None:
    await import_soft(operator)
    for sigma in range(2, 5):
        await replace(operator, graph=with_input("3", "sigma", sigma))
    found = await operator.get("/workflows/soft/versions", limit=2)
    assert [version["version"] for version in found] == [4, 3]


async def test_a_workflow_is_switched_off_and_on(operator: OperatorAccess) -> None:
    await import_soft(operator)
    for is_active in (False, False, True):
        view = await operator.data("PUT", "/workflows/soft/active", {"is_active": is_active})
        assert view["is_active"] is is_active
    acts = [action for action, _ in await operator.acts("soft")]
    assert acts == ["workflow.import", "workflow.deactivate", "workflow.activate"]


async def test_a_workflow_without_effects_is_deleted_with_its_versions(operator: OperatorAccess) -> None:
    await import_soft(operator)
    await replace(operator, properties=[IMAGE])
    await operator.data("PUT", "/workflows/soft/fleets", {"fleets": ["local/gpu-default"]})
    await operator.data("DELETE", "/workflows/soft")
    assert await operator.refused("GET", "/workflows/soft") == (404, "workflow_not_found")
    assert (await operator.acts("soft"))[-1] == ("workflow.delete", {})
    assert (await import_soft(operator))["version"] == 1


async def test_a_workflow_with_an_effect_stays(operator: OperatorAccess) -> None:
    await import_soft(operator)
    await operator.post("/effects", {"name": "Soft", "slug": "soft-effect", "workflow": "soft"})
    answer = await operator.call("DELETE", "/workflows/soft")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "workflow_in_use")
    assert "soft-effect" in answer.json()["message"]


async def test_fleets_of_several_stages_serve_a_workflow(operator: OperatorAccess) -> None:
    await import_soft(operator)
    for stage in ("staging", "production"):
        await operator.post("/fleets", {"stage": stage, "slug": "gpu-default", "name": stage})
    both = ["production/gpu-default", "staging/gpu-default"]
    assert (await operator.data("PUT", "/workflows/soft/fleets", {"fleets": both}))["fleets"] == both
    assert (await operator.data("PUT", "/workflows/soft/fleets", {"fleets": both[:1]}))["fleets"] == both[:1]
    assert (await operator.data("PUT", "/workflows/soft/fleets", {"fleets": []}))["fleets"] == []
    assert (await operator.acts("soft"))[1:3] == [
        ("workflow.fleets", {"fleets": both}),
        ("workflow.fleets", {"fleets": both[:1]}),
    ]
    seeded = [fleet["workflows"] for fleet in await operator.get("/fleets") if fleet["stage"] == "local"]
    assert seeded
    assert all(seeded)


async def test_an_unknown_fleet_changes_nothing(operator: OperatorAccess) -> None:
    await import_soft(operator)
    await operator.data("PUT", "/workflows/soft/fleets", {"fleets": ["local/gpu-default"]})
    body = {"fleets": ["local/none"]}
    assert await operator.refused("PUT", "/workflows/soft/fleets", body) == (404, "fleet_not_found")
    assert (await operator.get("/workflows/soft"))["fleets"] == ["local/gpu-default"]
    assert (await operator.refused("PUT", "/workflows/soft/fleets", {"fleets": ["gpu-default"]}))[0] == 422
