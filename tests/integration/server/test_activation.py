"""A fleet points to a bundle, and what that bundle lacks is told before."""

import asyncio

import pytest
from sqlalchemy import text
from tests.support.bundle_library import FLEET_PATH, BundleLibrary, graph_of
from tests.support.control_plane import ControlPlane

from comfyfleet.core.assets import AssetKind


@pytest.fixture
def library(control_plane: ControlPlane) -> BundleLibrary:
    return BundleLibrary(control_plane)


async def pointer(control_plane: ControlPlane) -> tuple[str | None, str | None]:
    """Return what an operator sees in the table of fleets."""
    query = text("SELECT active_bundle_id::text, active_bundle_s3_prefix FROM comfyui_gpu_fleets")
    async with control_plane.wiring.sessions.begin() as session:
        row = (await session.execute(query)).one()
    return row[0], row[1]


async def test_a_fleet_points_to_a_bundle_that_covers_its_workflows(
    library: BundleLibrary, control_plane: ControlPlane
) -> None:
    await library.asset("ink.safetensors")
    await library.workflow("flow", "ink.safetensors")
    bundle = await library.create("paint", for_workflows=["flow"])
    view = await library.data("PUT", f"{FLEET_PATH}/bundle", {"bundle": "paint"})
    assert (view["changed"], view["prefix"], view["accepted_missing"]) == (True, bundle["prefix"], [])
    assert await pointer(control_plane) == (bundle["bundle_id"], f"bundles/{bundle['bundle_id']}")
    assert (await library.data("GET", "/api/bundles/paint"))["active_in"] == ["local/gpu-default"]
    assert (await library.audit())[-1] == ("fleet.activate", "local/gpu-default")


async def test_a_bundle_that_lacks_something_is_activated_only_when_that_is_accepted(
    library: BundleLibrary, control_plane: ControlPlane
) -> None:
    ink = await library.asset("ink.safetensors")
    await library.workflow("flow", "ink.safetensors", "gone.safetensors")
    await library.create("paint", ink.id)
    status, code, message = await library.refused("PUT", f"{FLEET_PATH}/bundle", {"bundle": "paint"})
    assert (status, code) == (409, "coverage_incomplete")
    assert "loras/gone.safetensors: missing" in message
    assert await pointer(control_plane) == (None, None)
    accepted = {"bundle": "paint", "accept_missing": True}
    view = await library.data("PUT", f"{FLEET_PATH}/bundle", accepted)
    assert view["accepted_missing"] == ["loras/gone.safetensors: missing"]
    history = await library.data("GET", f"{FLEET_PATH}/activations")
    assert [(line["bundle"], line["accepted_missing"]) for line in history] == [
        ("paint@1", ["loras/gone.safetensors: missing"])
    ]


async def test_pointing_to_the_same_bundle_again_changes_nothing(library: BundleLibrary) -> None:
    await library.create("paint", (await library.asset("ink.safetensors")).id)
    await library.data("PUT", f"{FLEET_PATH}/bundle", {"bundle": "paint"})
    assert not (await library.data("PUT", f"{FLEET_PATH}/bundle", {"bundle": "paint@1"}))["changed"]
    assert len(await library.data("GET", f"{FLEET_PATH}/activations")) == 1


async def test_history_outlives_the_bundle(library: BundleLibrary, control_plane: ControlPlane) -> None:
    bundle = await library.create("paint", (await library.asset("ink.safetensors")).id)
    await library.data("PUT", f"{FLEET_PATH}/bundle", {"bundle": "paint"})
    status, code, message = await library.refused("DELETE", "/api/bundles/paint")
    assert (status, code) == (409, "bundle_in_use")
    assert "local/gpu-default" in message
    await library.data("PUT", f"{FLEET_PATH}/bundle", {"bundle": None})
    assert await pointer(control_plane) == (None, None)
    unused = await library.data("POST", "/api/bundles/gc", {"older_than_days": 0})
    assert unused["unused"] == []
    await library.data("DELETE", "/api/bundles/paint")
    history = await library.data("GET", f"{FLEET_PATH}/activations")
    assert [(line["bundle_id"], line["bundle"]) for line in history] == [
        (None, None),
        (bundle["bundle_id"], "paint@1"),
    ]


async def test_a_bundle_that_is_deleted_and_activated_at_once_is_one_or_the_other(
    library: BundleLibrary, control_plane: ControlPlane
) -> None:
    ink = await library.asset("ink.safetensors")
    for number in range(5):
        name = f"paint{number}"
        bundle = await library.create(name, ink.id)
        activated, deleted = await asyncio.gather(
            library.call("PUT", f"{FLEET_PATH}/bundle", {"bundle": name}),
            library.call("DELETE", f"/api/bundles/{name}"),
        )
        assert activated.is_success != deleted.is_success, (activated.text, deleted.text)
        points_there = (await pointer(control_plane))[0] == bundle["bundle_id"]
        exists = (await library.call("GET", f"/api/bundles/{name}")).is_success
        assert points_there == exists == activated.is_success


async def test_coverage_tells_for_each_file_where_it_is(library: BundleLibrary) -> None:
    ink = await library.asset("ink.safetensors")
    await library.asset("oil.safetensors")
    await library.asset("bad.safetensors", is_quarantined=True)
    await library.asset("gone.safetensors", kind=AssetKind.CHECKPOINT)
    files = ("ink.safetensors", "oil.safetensors", "bad.safetensors", "gone.safetensors")
    await library.workflow("flow", *files)
    await library.create("paint", ink.id)
    view = await library.data("GET", f"{FLEET_PATH}/coverage", bundle="paint")
    assert {model["filename"]: model["where"] for model in view["models"]} == {
        "ink.safetensors": "bundle",
        "oil.safetensors": "library",
        "bad.safetensors": "quarantined",
        "gone.safetensors": "missing",
    }
    assert all(model["workflows"] == ["flow"] for model in view["models"])
    assert len(view["lacking"]) == 3
    none = await library.data("GET", f"{FLEET_PATH}/coverage")
    assert (none["bundle"], len(none["lacking"])) == (None, 4)


async def test_a_file_in_the_wrong_folder_of_the_bundle_lacks(library: BundleLibrary) -> None:
    ink = await library.asset("ink.safetensors")
    await library.workflow("flow", "style/ink.safetensors")
    await library.create("paint", ink.id)
    view = await library.data("GET", f"{FLEET_PATH}/coverage", bundle="paint")
    assert view["models"][0]["where"] == "library"
    assert "models/loras/ink.safetensors" in view["lacking"][0]


async def test_an_inactive_workflow_needs_nothing(library: BundleLibrary) -> None:
    await library.workflow("flow", "gone.safetensors")
    inactive = {
        "name": "flow",
        "slug": "flow",
        "graph": graph_of("gone.safetensors"),
        "output_node_id": "9",
        "is_active": False,
    }
    await library.data("PUT", "/api/workflows/flow", inactive)
    view = await library.data("GET", f"{FLEET_PATH}/coverage")
    assert (view["workflows"], view["lacking"]) == ([], [])


async def test_an_analysis_looks_into_the_library_and_the_fleets_bundle(library: BundleLibrary) -> None:
    ink = await library.asset("ink.safetensors")
    graph = graph_of("ink.safetensors", "gone.safetensors")
    graph["7"] = {"class_type": "SomebodysNode", "inputs": {}}
    alone = await library.data("POST", "/api/workflows/analyze", {"document": graph})
    found = {model["filename"]: (model["where"], model["asset_id"]) for model in alone["models"]}
    assert found == {"ink.safetensors": ("library", ink.id), "gone.safetensors": ("missing", None)}
    assert [package["class_types"] for package in alone["packages"]] == [["SomebodysNode"]]
    assert len(alone["lacking"]) == 2
    await library.create("paint", ink.id)
    await library.data("PUT", f"{FLEET_PATH}/bundle", {"bundle": "paint", "accept_missing": True})
    body = {"document": graph, "fleet": "local/gpu-default"}
    in_fleet = await library.data("POST", "/api/workflows/analyze", body)
    assert in_fleet["bundle"]["name"] == "paint"
    assert {model["filename"]: model["where"] for model in in_fleet["models"]}["ink.safetensors"] == "bundle"


async def test_an_analysis_of_no_workflow_or_fleet_is_refused(library: BundleLibrary) -> None:
    path = "/api/workflows/analyze"
    assert (await library.refused("POST", path, {"document": {}}))[:2] == (422, "graph_invalid")
    unknown = {"document": graph_of(), "fleet": "local/none"}
    assert (await library.refused("POST", path, unknown))[:2] == (404, "fleet_unknown")


async def test_a_node_package_in_the_bundle_covers_its_workflow(library: BundleLibrary) -> None:
    pack = await library.asset("comfyui-impact-pack.zip", kind=AssetKind.CUSTOM_NODE)
    node = {
        "id": 1,
        "type": "FaceDetailer",
        "mode": 0,
        "inputs": [],
        "outputs": [],
        "widgets_values": [],
        "properties": {"cnr_id": "comfyui-impact-pack", "ver": "8.2"},
    }
    document = {"nodes": [node], "links": [], "version": 0.4}
    bundle = await library.create("nodes", documents={"ui.json": document})
    assert [(entry["asset_id"], entry["target_path"], entry["action"]) for entry in bundle["entries"]] == [
        (pack.id, "custom_nodes/comfyui-impact-pack", "extract_zip")
    ]


async def test_a_node_whose_package_nobody_names_may_be_in_a_package_of_the_bundle(library: BundleLibrary) -> None:
    graph = {"7": {"class_type": "SomebodysNode", "inputs": {}}, "9": graph_of()["9"]}
    workflow = {"name": "flow", "slug": "flow", "graph": graph, "output_node_id": "9"}
    await library.data("POST", "/api/workflows", workflow)
    await library.data("PUT", f"{FLEET_PATH}/workflows", {"workflows": ["flow"]})
    await library.create("plain", (await library.asset("ink.safetensors")).id)
    plain = await library.data("GET", f"{FLEET_PATH}/coverage", bundle="plain")
    assert (plain["packages"][0]["where"], len(plain["lacking"])) == ("missing", 1)
    await library.create("nodes", (await library.asset("somebody.zip", kind=AssetKind.CUSTOM_NODE)).id)
    nodes = await library.data("GET", f"{FLEET_PATH}/coverage", bundle="nodes")
    assert (nodes["packages"][0]["where"], nodes["lacking"]) == ("unknown", [])


async def test_an_unknown_fleet_or_bundle_is_told(library: BundleLibrary) -> None:
    assert (await library.refused("PUT", f"{FLEET_PATH}/bundle", {"bundle": "none"}))[:2] == (404, "bundle_not_found")
    path = "/api/fleets/local/none/coverage"
    assert (await library.refused("GET", path))[:2] == (404, "fleet_not_found")
