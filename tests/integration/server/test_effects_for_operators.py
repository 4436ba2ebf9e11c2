"""What operators do with effects."""

from typing import Any

import pytest
from tests.support.bundle_library import BundleLibrary
from tests.support.control_plane import ControlPlane

PNG = bytes.fromhex("89504e470d0a1a0a")


@pytest.fixture
def library(control_plane: ControlPlane) -> BundleLibrary:
    return BundleLibrary(control_plane)


async def order_of(library: BundleLibrary) -> list[str]:
    return [item["slug"] for item in (await library.data("GET", "/api/effects/all"))["items"]]


async def test_the_catalogue_has_the_order_that_operators_give_it(library: BundleLibrary) -> None:
    before = await order_of(library)
    last_first = [before[-1], *before[:-1]]
    await library.data("PUT", "/api/effects/order", {"slugs": [before[-1]]})
    assert await order_of(library) == last_first
    public = [item["slug"] for item in await library.data("GET", "/api/effects")]
    assert public == last_first


async def test_an_inactive_effect_leaves_the_catalogue_and_stays_with_operators(library: BundleLibrary) -> None:
    slug = (await order_of(library))[0]
    view = await library.data("PUT", f"/api/effects/{slug}/active", {"is_active": False})
    assert view["is_active"] is False
    assert slug in await order_of(library)
    assert (await library.call("GET", f"/api/effects/{slug}")).status_code == 404
    assert (await library.audit())[-1] == ("effect.deactivate", slug)


async def test_a_preview_is_kept_and_shown(control_plane: ControlPlane, library: BundleLibrary) -> None:
    slug = (await order_of(library))[0]
    async with control_plane.client() as client:
        path = f"/api/effects/{slug}/preview"
        answer = await client.put(path, content=PNG, headers={"Content-Type": "image/png"})
        assert answer.json()["data"]["preview_type"] == "image/png"
        shown = await client.get(f"/effects/{slug}/preview", follow_redirects=True)
        assert (shown.content, shown.headers["content-type"]) == (PNG, "image/png")
        refused = await client.put(path, content=b"<svg/>", headers={"Content-Type": "image/svg+xml"})
        assert refused.json()["error"]["code"] == "preview_invalid"


async def test_only_an_effect_without_jobs_is_deleted(control_plane: ControlPlane, library: BundleLibrary) -> None:
    tenant = await control_plane.new_tenant("acme")
    await tenant.submit("invert-video")
    assert (await library.refused("DELETE", "/api/effects/invert-video"))[1] == "effect_in_use"
    await library.data("DELETE", "/api/effects/invert-image")
    assert "invert-image" not in await order_of(library)


async def test_test_runs_are_nobodys_effect(control_plane: ControlPlane, library: BundleLibrary) -> None:
    before = await order_of(library)
    body: dict[str, Any] = {"fleet": "local/gpu-default", "values": {}}
    status, code, _ = await library.refused("POST", "/api/workflows/invert-video/test-run", body)
    assert (status, code) == (422, "values_invalid")
    assert await order_of(library) == before
    assert [item["slug"] for item in await library.data("GET", "/api/effects")] == before
