"""Bundles are composed from the library, written once, and found again."""

import asyncio
import hashlib
import json

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError
from tests.support.bundle_library import BundleLibrary, graph_of, new_workflow
from tests.support.control_plane import ControlPlane

from comfyfleet import names
from comfyfleet.core.assets import AssetKind
from comfyfleet.core.manifests import read_manifest
from comfyfleet.server.models import Bundle, BundleEntry


@pytest.fixture
def library(control_plane: ControlPlane) -> BundleLibrary:
    return BundleLibrary(control_plane)


async def test_a_bundle_takes_assets_by_id_name_and_digest(library: BundleLibrary) -> None:
    ink = await library.asset("ink.safetensors")
    await library.asset("base.ckpt", kind=AssetKind.CHECKPOINT)
    pack = await library.asset("impact.tar.gz", kind=AssetKind.CUSTOM_NODE)
    bundle = await library.create("sdxl", ink.id, "base.ckpt", pack.sha256, notes="first")
    assert (bundle["name"], bundle["version"], bundle["entry_count"]) == ("sdxl", 1, 3)
    assert [(entry["target_path"], entry["action"]) for entry in bundle["entries"]] == [
        ("models/loras/ink.safetensors", "copy"),
        ("models/checkpoints/base.ckpt", "copy"),
        ("custom_nodes/impact", "extract_tar_gz"),
    ]
    assert bundle["total_bytes"] == 3000
    assert bundle["prefix"] == f"bundles/{bundle['bundle_id']}"


async def test_an_entry_goes_where_it_is_told(library: BundleLibrary) -> None:
    pack = await library.asset("impact.zip", kind=AssetKind.CUSTOM_NODE)
    told = {"asset": str(pack.id), "target_path": "models/other/impact.zip", "action": "copy"}
    entry = (await library.create("plain", told))["entries"][0]
    assert (entry["target_path"], entry["action"]) == ("models/other/impact.zip", "copy")


async def test_the_manifest_is_in_the_store_and_its_digest_is_recorded(
    library: BundleLibrary, control_plane: ControlPlane
) -> None:
    ink = await library.asset("ink.safetensors")
    bundle = await library.create("sdxl", ink.id, requirements_lock="numpy==2.2.0\n")
    stored = control_plane.wiring.models.read(names.manifest_key(bundle["bundle_id"]))
    assert hashlib.sha256(stored).hexdigest() == bundle["manifest_sha256"]
    manifest = read_manifest(stored)
    assert manifest.entries[0].asset_s3_key == f"assets/lora/{ink.sha256}"
    assert (manifest.entries[0].asset_id, manifest.entries[0].size) == (ink.id, 1000)
    assert manifest.requirements_lock == "numpy==2.2.0\n"
    shown = await library.data("GET", f"/api/bundles/{bundle['bundle_id']}/manifest")
    assert shown["content"].encode() == stored
    assert json.loads(stored)["created_at"].endswith("Z")


async def test_a_manifest_that_was_changed_is_noticed(library: BundleLibrary, control_plane: ControlPlane) -> None:
    bundle = await library.create("sdxl", (await library.asset("ink.safetensors")).id)
    key = names.manifest_key(bundle["bundle_id"])
    control_plane.wiring.models.write(key, b"{}", content_type="application/json")
    status, code, _ = await library.refused("GET", f"/api/bundles/{bundle['bundle_id']}/manifest")
    assert (status, code) == (409, "manifest_damaged")


async def test_the_next_version_has_what_was_added_and_not_what_was_removed(library: BundleLibrary) -> None:
    ink, brush, oil = [await library.asset(f"{name}.safetensors", size=10) for name in ("ink", "brush", "oil")]
    first = await library.create("paint", ink.id, brush.id, requirements_lock="a==1\n")
    second = await library.create(None, oil.id, previous="paint", remove=["ink.safetensors"])
    assert (second["name"], second["version"], second["previous_id"]) == ("paint", 2, first["bundle_id"])
    assert [entry["asset_id"] for entry in second["entries"]] == [brush.id, oil.id]
    assert second["requirements_lock"] == "a==1\n"
    change = await library.data("GET", "/api/bundles/paint@1/diff/paint@2")
    assert [entry["asset_id"] for entry in change["added"]] == [oil.id]
    assert [entry["asset_id"] for entry in change["removed"]] == [ink.id]
    assert (change["kept"], change["bytes_to_fetch"], change["moved"]) == (1, 10, [])


async def test_a_file_under_another_path_is_moved_and_costs_nothing(library: BundleLibrary) -> None:
    ink = await library.asset("ink.safetensors")
    await library.create("paint", ink.id)
    moved = {"asset": str(ink.id), "target_path": "models/loras/style/ink.safetensors"}
    await library.create(None, moved, previous="paint", remove=["models/loras/ink.safetensors"])
    change = await library.data("GET", "/api/bundles/paint@1/diff/paint")
    assert [item["after"]["target_path"] for item in change["moved"]] == ["models/loras/style/ink.safetensors"]
    assert (change["added"], change["removed"], change["bytes_to_fetch"]) == ([], [], 0)


async def test_a_bundle_is_found_by_id_by_name_and_by_version(library: BundleLibrary) -> None:
    ink = await library.asset("ink.safetensors")
    first, second = await library.create("a b", ink.id), await library.create("a b", ink.id, notes="again")
    for reference, expected in (
        (first["bundle_id"], first),
        ("a b", second),
        ("a b@1", first),
        (second["bundle_id"][:18], second),
    ):
        assert (await library.data("GET", f"/api/bundles/{reference}"))["bundle_id"] == expected["bundle_id"]
    for unknown in ("c", "a b@9", "a b@x", "00000000", "%00"):
        assert (await library.refused("GET", f"/api/bundles/{unknown}"))[:2] == (404, "bundle_not_found")
    page = await library.data("GET", "/api/bundles", limit="1")
    assert (page["total"], page["items"][0]["bundle_id"]) == (2, second["bundle_id"])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": "a"}, "bundle_invalid"),
        ({"entries": [{"asset": "ink.safetensors"}]}, "bundle_invalid"),
        ({"name": "6c2e1b2c-2a7d-4a0f-9d2d-4a0b1d2c3e4f", "entries": [{"asset": "1"}]}, "bundle_invalid"),
        ({"name": "a", "entries": [{"asset": "nothing"}]}, "asset_not_found"),
        ({"name": "a", "entries": [{"asset": "ink.safetensors", "target_path": "../x"}]}, "path_refused"),
        ({"name": "a", "entries": [{"asset": "ink.safetensors", "target_path": "bin/x"}]}, "bundle_invalid"),
        ({"name": "a", "remove": ["x"], "entries": [{"asset": "ink.safetensors"}]}, "bundle_invalid"),
        ({"name": "a", "previous": "nothing"}, "bundle_not_found"),
        ({"name": "a", "for_workflows": ["nothing"]}, "workflow_not_found"),
        ({"name": "a/b", "entries": [{"asset": "ink.safetensors"}]}, "request_invalid"),
        (
            {
                "name": "a",
                "entries": [
                    {"asset": "ink.safetensors"},
                    {"asset": "brush.safetensors", "target_path": "models/loras/INK.safetensors"},
                ],
            },
            "bundle_invalid",
        ),
    ],
)
async def test_a_bundle_that_cannot_be_is_refused(
    library: BundleLibrary, control_plane: ControlPlane, body: dict[str, object], code: str
) -> None:
    await library.asset("ink.safetensors")
    await library.asset("brush.safetensors")
    assert (await library.refused("POST", "/api/bundles", body))[1] == code
    assert list(control_plane.wiring.model_index.objects(names.BUNDLES_PREFIX)) == []


async def test_an_asset_in_quarantine_is_refused_by_name(library: BundleLibrary) -> None:
    bad = await library.asset("evil.ckpt", kind=AssetKind.CHECKPOINT, is_quarantined=True)
    status, code, message = await library.refused(
        "POST", "/api/bundles", {"name": "a", "entries": [{"asset": str(bad.id)}]}
    )
    assert (status, code) == (409, "asset_quarantined")
    assert "evil.ckpt" in message


async def test_the_smallest_bundle_for_workflows_puts_files_where_comfyui_finds_them(library: BundleLibrary) -> None:
    ink = await library.asset("ink.safetensors")
    base = await library.asset("base.safetensors", kind=AssetKind.CHECKPOINT)
    await library.asset("unneeded.safetensors")
    await library.data("POST", "/api/workflows", new_workflow("one", "style/ink.safetensors"))
    await library.data("POST", "/api/workflows", new_workflow("two", "ink.safetensors", checkpoint="base.safetensors"))
    bundle = await library.create("both", for_workflows=["one", "two"])
    assert {(entry["asset_id"], entry["target_path"]) for entry in bundle["entries"]} == {
        (ink.id, "models/loras/style/ink.safetensors"),
        (ink.id, "models/loras/ink.safetensors"),
        (base.id, "models/checkpoints/base.safetensors"),
    }
    assert bundle["total_bytes"] == 2000
    again = await library.create(None, previous="both", for_workflows=["one"], notes="nothing new")
    assert again["entry_count"] == 3


async def test_what_a_workflow_needs_and_nobody_has_is_named(library: BundleLibrary) -> None:
    await library.asset("ink.safetensors")
    await library.asset("bad.safetensors", is_quarantined=True)
    documents = {"flow.json": graph_of("ink.safetensors", "gone.safetensors", "bad.safetensors")}
    status, code, message = await library.refused("POST", "/api/bundles", {"name": "a", "documents": documents})
    assert (status, code) == (409, "needs_missing")
    assert "loras/gone.safetensors: missing" in message
    assert "loras/bad.safetensors: quarantined" in message
    assert "ink.safetensors" not in message
    bundle = await library.create("a", documents=documents, accept_missing=True)
    assert [entry["target_path"] for entry in bundle["entries"]] == ["models/loras/ink.safetensors"]


async def test_an_embedding_keeps_its_extension_though_the_prompt_leaves_it_out(library: BundleLibrary) -> None:
    await library.asset("easy.pt", kind=AssetKind.EMBEDDING)
    graph = {"6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat, embedding:easy"}}}
    bundle = await library.create("a", documents={"flow.json": graph})
    assert [entry["target_path"] for entry in bundle["entries"]] == ["models/embeddings/easy.pt"]


async def test_a_written_bundle_is_never_changed(library: BundleLibrary, control_plane: ControlPlane) -> None:
    await library.create("a", (await library.asset("ink.safetensors")).id)
    for statement in (
        update(BundleEntry).values(target_path="models/loras/other.safetensors"),
        update(Bundle).values(notes="changed"),
    ):
        with pytest.raises(DBAPIError, match="immutable"):
            async with control_plane.wiring.sessions.begin() as session:
                await session.execute(statement)


async def test_an_asset_of_a_bundle_cannot_be_deleted_from_the_database(
    library: BundleLibrary, control_plane: ControlPlane
) -> None:
    await library.create("a", (await library.asset("ink.safetensors")).id)
    async with control_plane.wiring.sessions() as session:
        with pytest.raises(DBAPIError, match="fk_bundle_entries_asset_id_assets"):
            await session.execute(text("WITH gone AS (DELETE FROM asset_names) DELETE FROM assets"))


async def test_versions_that_are_made_at_once_are_numbered_one_after_the_other(library: BundleLibrary) -> None:
    ink = await library.asset("ink.safetensors")
    made = await asyncio.gather(*(library.create("a", ink.id) for _ in range(6)))
    assert sorted(bundle["version"] for bundle in made) == [1, 2, 3, 4, 5, 6]


async def test_a_deleted_bundle_takes_its_manifest_along_and_leaves_its_successor(
    library: BundleLibrary, control_plane: ControlPlane
) -> None:
    ink = await library.asset("ink.safetensors")
    first = await library.create("a", ink.id)
    await library.create("a", ink.id)
    await library.data("DELETE", "/api/bundles/a@1")
    assert control_plane.wiring.models.head(names.manifest_key(first["bundle_id"])) is None
    assert (await library.data("GET", "/api/bundles/a@2"))["previous_id"] is None
    assert (await library.refused("GET", "/api/bundles/a@1"))[0] == 404


async def test_every_act_is_written_down(library: BundleLibrary) -> None:
    await library.create("a", (await library.asset("ink.safetensors")).id)
    await library.data("DELETE", "/api/bundles/a")
    assert (await library.audit())[-2:] == [("bundle.create", "a@1"), ("bundle.delete", "a@1")]


async def test_gc_removes_old_manifests_without_a_bundle_and_nothing_else(
    library: BundleLibrary, control_plane: ControlPlane
) -> None:
    kept = await library.create("a", (await library.asset("ink.safetensors")).id)
    models = control_plane.wiring.models
    orphan = names.manifest_key("6c2e1b2c-2a7d-4a0f-9d2d-4a0b1d2c3e4f")
    for key in (orphan, "bundles/readme.txt"):
        models.write(key, b"{}", content_type="application/json")
    assert (await library.data("POST", "/api/bundles/gc", {"dry_run": False}))["manifests"] == []
    control_plane.clock.forward(hours=2)
    assert (await library.data("POST", "/api/bundles/gc", {}))["manifests"] == [orphan]
    assert models.head(orphan) is not None
    done = await library.data("POST", "/api/bundles/gc", {"dry_run": False, "older_than_days": 0})
    assert (done["manifests"], [item["name"] for item in done["unused"]]) == ([orphan], ["a"])
    assert models.head(orphan) is None
    assert models.head("bundles/readme.txt") is not None
    assert models.head(names.manifest_key(kept["bundle_id"])) is not None


@pytest.mark.parametrize("path", ["/api/bundles", "/api/bundles/a", "/api/bundles/a/manifest"])
async def test_bundles_are_for_administrators(control_plane: ControlPlane, path: str) -> None:
    tenant = await control_plane.new_tenant("alpha")
    assert (await tenant.call("GET", path)).status_code == 403
