"""The library: what it holds is found, described, changed and removed by administrators, and each act is noted."""

import asyncio
import os
import pickle
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import insert
from tests.support.asset_library import AssetLibrary, digest_of
from tests.support.bundle_library import BundleLibrary
from tests.support.control_plane import ControlPlane

from comfyfleet.core.assets import AssetKind
from comfyfleet.server.models import Asset, AssetName


class Dangerous:
    """An object whose pickle runs a command when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what `pickle` writes down."""
        return os.system, ("true",)


DANGEROUS = pickle.dumps(Dangerous())


@pytest.fixture
def library(control_plane: ControlPlane) -> AssetLibrary:
    """Return the library of a control plane with its objects on disk."""
    return AssetLibrary(control_plane)


@pytest.fixture
def bundles(control_plane: ControlPlane) -> BundleLibrary:
    """Return what makes bundles."""
    return BundleLibrary(control_plane)


def names_of(page: dict[str, Any]) -> list[str]:
    """Return the newest name of each asset of a page."""
    return [asset["filenames"][-1] for asset in page["items"]]


async def test_an_asset_is_found_by_id_digest_beginning_and_name(library: AssetLibrary) -> None:
    asset = await library.add(b"one", "one two.safetensors")
    await library.add(b"two", "loras/two.safetensors")
    digest = asset["sha256"]
    for reference in (asset["id"], digest, digest[:8], digest[:12].upper(), "one two.safetensors"):
        assert (await library.data("GET", f"/{reference}"))["id"] == asset["id"]
    assert (await library.data("GET", "/loras/two.safetensors"))["sha256"] == digest_of(b"two")
    for reference in (10**30, 0, digest[:7], "f" * 64, "none.safetensors", "a%00b"):
        assert (await library.refused("GET", f"/{reference}"))[:2] == (404, "asset_not_found")


async def test_a_name_that_several_have_is_ambiguous_and_says_which(library: AssetLibrary) -> None:
    first = await library.add(b"one", "model.safetensors")
    second = await library.add(b"two", "model.safetensors", kind="lora")
    status, code, message = await library.refused("GET", "/model.safetensors")
    assert (status, code) == (409, "asset_ambiguous")
    for asset in (first, second):
        assert f"{asset['id']} ({asset['sha256'][:12]}, {asset['kind']})" in message


async def test_assets_are_searched_filtered_sorted_and_paged(library: AssetLibrary) -> None:
    await library.add(b"1" * 10, "Zebra_lora.safetensors")
    await library.add(b"2" * 30, "ant_vae.safetensors", notes="A 100% good one")
    middle = await library.add(b"3" * 20, "middle.bin", kind="other", license="cc0")
    page = await library.data("GET", "")
    assert names_of(page) == ["middle.bin", "ant_vae.safetensors", "Zebra_lora.safetensors"]
    assert (page["total"], page["bytes"]) == (3, 60)
    assert names_of(await library.data("GET", "", sort="name"))[0] == "ant_vae.safetensors"
    assert names_of(await library.data("GET", "", sort="size"))[0] == "ant_vae.safetensors"
    assert names_of(await library.data("GET", "", kind="lora")) == ["Zebra_lora.safetensors"]
    for text in ("zebra", "ZEBRA_L"):
        assert names_of(await library.data("GET", "", q=text)) == ["Zebra_lora.safetensors"]
    assert names_of(await library.data("GET", "", q="100%")) == ["ant_vae.safetensors"]
    assert names_of(await library.data("GET", "", q=middle["sha256"][:10].upper())) == ["middle.bin"]
    assert (await library.data("GET", "", q="%"))["total"] == 1
    assert (await library.data("GET", "", q="nothing"))["items"] == []
    page = await library.data("GET", "", sort="size", limit=1, offset=1)
    assert (names_of(page), page["total"], page["bytes"]) == (["middle.bin"], 3, 60)


@pytest.mark.parametrize("query", [{"sort": "colour"}, {"kind": "x"}, {"limit": 0}, {"offset": -1}, {"limit": 10_000}])
async def test_an_impossible_question_is_refused(library: AssetLibrary, query: dict[str, Any]) -> None:
    assert (await library.refused("GET", "", **query))[0] == 422


async def test_what_is_said_of_an_asset_can_be_changed(library: AssetLibrary) -> None:
    asset = await library.add(b"bytes", source_url="https://example.com/a")
    changed = await library.data("PATCH", f"/{asset['id']}", {"notes": "new", "license": "mit"})
    assert (changed["notes"], changed["license"], changed["source_url"]) == ("new", "mit", "https://example.com/a")
    assert (await library.audit())[-1]["detail"] == {"changes": {"notes": ["", "new"], "license": ["", "mit"]}}
    emptied = await library.data("PATCH", f"/{asset['id']}", {"notes": "", "source_url": ""})
    assert (emptied["notes"], emptied["license"], emptied["source_url"]) == ("", "mit", None)
    assert (await library.refused("PATCH", f"/{asset['id']}", {"source_url": "javascript:alert(1)"}))[0] == 422
    assert (await library.refused("PATCH", f"/{asset['id']}", {"sha256": "0" * 64}))[0] == 422
    assert (await library.refused("PATCH", "/123456", {"notes": "x"}))[0] == 404


async def test_another_kind_gives_the_bytes_another_key(library: AssetLibrary) -> None:
    asset = await library.add(b"bytes", kind="vae")
    changed = await library.data("PATCH", f"/{asset['id']}", {"kind": "lora"})
    assert (changed["kind"], changed["object_key"]) == ("lora", f"assets/lora/{asset['sha256']}")
    assert library.keys() == [changed["object_key"]]
    assert library.control_plane.wiring.models.read(changed["object_key"]) == b"bytes"
    assert (await library.audit())[-1]["detail"] == {"changes": {"kind": ["vae", "lora"]}}


async def test_a_change_of_kind_that_died_after_the_move_can_be_done_again(library: AssetLibrary) -> None:
    asset = await library.add(b"bytes", kind="vae")
    new_key = f"assets/lora/{asset['sha256']}"
    assert library.control_plane.wiring.model_index.move(asset["object_key"], new_key)
    changed = await library.data("PATCH", f"/{asset['id']}", {"kind": "lora"})
    assert (changed["object_key"], library.keys()) == (new_key, [new_key])


async def test_an_asset_of_a_bundle_keeps_its_kind_and_is_not_deleted(
    library: AssetLibrary, bundles: BundleLibrary
) -> None:
    asset = await library.add(b"bytes", "a.safetensors", kind="lora")
    made = [await bundles.create("first", asset["id"]), await bundles.create("second", asset["id"])]
    for method, body in (("PATCH", {"kind": "vae"}), ("DELETE", None)):
        status, code, message = await library.refused(method, f"/{asset['id']}", body)
        assert (status, code) == (409, "asset_in_use")
        assert "first@1" in message
        assert "second@1" in message
    assert (await library.data("PATCH", f"/{asset['id']}", {"notes": "may change"}))["notes"] == "may change"
    shown = await library.data("GET", f"/{asset['id']}")
    assert {(use["name"], use["version"]) for use in shown["used_by"]} == {("first", 1), ("second", 1)}
    assert library.keys() == [asset["object_key"]]
    assert (await library.data("GET", "", unused=True))["total"] == 0
    for bundle in made:
        await bundles.data("DELETE", f"/api/bundles/{bundle['bundle_id']}")
    assert (await library.data("GET", "", unused=True))["bytes"] == 5
    await library.data("DELETE", f"/{asset['id']}")
    assert library.keys() == []


async def test_a_deleted_asset_is_gone_and_can_come_again(library: AssetLibrary) -> None:
    asset = await library.add(b"bytes", "a.safetensors")
    assert (await library.data("DELETE", "/a.safetensors"))["id"] == asset["id"]
    assert library.keys() == []
    assert (await library.refused("GET", f"/{asset['sha256']}"))[0] == 404
    assert (await library.refused("DELETE", f"/{asset['id']}"))[0] == 404
    again = await library.add(b"bytes", "b.safetensors", sha256=asset["sha256"])
    assert (again["id"] > asset["id"], again["filenames"]) == (True, ["b.safetensors"])


async def test_deleting_and_bringing_the_same_bytes_at_once_never_leaves_an_asset_without_bytes(
    library: AssetLibrary,
) -> None:
    for _ in range(10):
        asset = await library.add(b"bytes", "a.safetensors", kind="vae")
        upload = await library.begin(b"bytes", "b.safetensors", kind="vae")
        await library.send(upload, b"bytes")
        await asyncio.gather(
            library.complete(upload, asset["sha256"]), library.call("DELETE", f"/{asset['id']}"), return_exceptions=True
        )
        await library.until_over(upload)
        left = (await library.data("GET", ""))["items"]
        assert library.keys() == [one["object_key"] for one in left]
        for one in left:
            await library.data("DELETE", f"/{one['id']}")


async def test_a_dangerous_pickle_stays_in_quarantine_until_released(
    library: AssetLibrary, bundles: BundleLibrary
) -> None:
    asset = await library.add(DANGEROUS, "model.ckpt")
    harmless = await library.add(b"harmless", "a.safetensors", kind="lora")
    assert (asset["is_quarantined"], harmless["is_quarantined"]) == (True, False)
    assert names_of(await library.data("GET", "", quarantined=True)) == ["model.ckpt"]
    wanted = {"name": "b", "entries": [{"asset": str(asset["id"])}]}
    assert (await bundles.refused("POST", "/api/bundles", wanted))[:2] == (409, "asset_quarantined")
    assert (await library.refused("POST", f"/{harmless['id']}/release"))[:2] == (409, "asset_not_quarantined")
    released = await library.data("POST", f"/{asset['id']}/release")
    assert released["is_quarantined"] is False
    assert released["inspection"] == asset["inspection"] != {}
    assert (await library.data("GET", "", quarantined=True))["total"] == 0
    assert (await library.audit())[-1]["action"] == "asset.release"
    assert await bundles.create("b", asset["id"])


async def test_every_act_is_noted(library: AssetLibrary) -> None:
    asset = await library.add(b"bytes", "a.safetensors", kind="vae")
    await library.begin(b"bytes", "b.safetensors", sha256=asset["sha256"])
    await library.data("PATCH", f"/{asset['id']}", {"kind": "lora"})
    await library.data("DELETE", f"/{asset['id']}")
    wrong = await library.begin(b"bytes", "c.safetensors")
    await library.send(wrong, b"bytes")
    await library.complete(wrong, "0" * 64)
    await library.until_over(wrong)
    canceled = await library.begin(b"bytes", "d.safetensors")
    await library.data("DELETE", f"/uploads/{canceled['upload_id']}")
    entries = await library.audit()
    assert [entry["action"] for entry in entries] == [
        "asset.add",
        "asset.add",
        "asset.update",
        "asset.delete",
        "asset.refuse",
        "asset.cancel",
    ]
    assert {entry["subject"] for entry in entries[:4]} == {asset["sha256"]}
    assert {entry["actor"] for entry in entries} == {asset["created_by"]}
    assert entries[0]["detail"]["filename"] == "a.safetensors"
    assert entries[1]["detail"] == {"filename": "b.safetensors", "was_known": True}


async def test_ten_thousand_assets_are_searched_quickly(control_plane: ControlPlane, library: AssetLibrary) -> None:
    digests = [sha256(str(number).encode()).hexdigest() for number in range(10_000)]
    async with control_plane.wiring.sessions.begin() as session:
        rows = [
            {
                "sha256": digest,
                "kind": list(AssetKind)[number % 14],
                "size": number + 1,
                "head_sha256": digest,
                "object_key": f"assets/x/{digest}",
                "notes": f"note {number}",
                "license": "",
                "inspection": {},
                "is_quarantined": False,
                "created_by": "a test",
            }
            for number, digest in enumerate(digests)
        ]
        ids = list(await session.scalars(insert(Asset).returning(Asset.id), rows))
        names = [{"asset_id": asset_id, "filename": f"model-{asset_id}.safetensors"} for asset_id in ids]
        await session.execute(insert(AssetName), names)
    queries: list[dict[str, Any]] = [
        {"sort": "name"},
        {"sort": "name", "q": "del-99"},
        {"sort": "size", "q": "note 77"},
        {"unused": True, "offset": 9000},
    ]
    for query in queries:
        assert len((await library.data("GET", "", **query))["items"]) == 50
    assert (await library.data("GET", f"/{digests[5000]}"))["size"] == 5001
