"""Fleets are renamed and deleted, and bundles planned, with nothing written."""

import pytest
from tests.support.bundle_library import FLEET_PATH, BundleLibrary
from tests.support.control_plane import ControlPlane


@pytest.fixture
def library(control_plane: ControlPlane) -> BundleLibrary:
    return BundleLibrary(control_plane)


async def test_a_fleet_gets_another_name(library: BundleLibrary) -> None:
    view = await library.data("PATCH", FLEET_PATH, {"name": "Painters"})
    assert view["name"] == "Painters"
    assert (await library.audit())[-1] == ("fleet.rename", "local/gpu-default")


async def test_only_a_fleet_that_was_never_used_is_deleted(control_plane: ControlPlane, library: BundleLibrary) -> None:
    await library.data("POST", "/api/fleets", {"stage": "local", "slug": "empty"})
    await library.data("DELETE", "/api/fleets/local/empty")
    assert [fleet["slug"] for fleet in await library.data("GET", "/api/fleets")] == ["gpu-default"]
    await (await control_plane.new_tenant("acme")).submit("invert-video")
    assert (await library.refused("DELETE", FLEET_PATH))[1] == "fleet_in_use"


async def test_a_plan_says_what_a_bundle_would_be_and_writes_nothing(library: BundleLibrary) -> None:
    ink, oil = await library.asset("ink.safetensors", size=10), await library.asset("oil.safetensors", size=7)
    await library.create("paint", ink.id)
    entries = [{"asset": str(ink.id)}, {"asset": str(oil.id), "target_path": "models/loras/new/oil.safetensors"}]
    plan = await library.data("POST", "/api/bundles/plan", {"name": "paint", "entries": entries})
    assert (plan["version"], plan["total_bytes"], plan["bytes_to_fetch"]) == (2, 17, 7)
    assert plan["entries"][1]["target_path"] == "models/loras/new/oil.safetensors"
    assert (await library.data("GET", "/api/bundles"))["total"] == 1
    wrong = {"name": "paint", "entries": [{"asset": str(ink.id), "target_path": "../up"}]}
    assert (await library.refused("POST", "/api/bundles/plan", wrong))[0] == 422


async def test_bundles_are_found_by_a_part_of_their_name(library: BundleLibrary) -> None:
    ink = await library.asset("ink.safetensors")
    for name in ("paint", "draw"):
        await library.create(name, ink.id)
    assert [item["name"] for item in (await library.data("GET", "/api/bundles", q="AIN"))["items"]] == ["paint"]
