import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import Result

from comfyfleet.cli.bundle_entries import parse_entry
from comfyfleet.cli.errors import UsageProblem
from comfyfleet.core.assets import AssetKind
from comfyfleet.core.bundles import Action
from comfyfleet.protocol.bundles import (
    ActivationView,
    AnalysisView,
    BundlePage,
    BundleRef,
    BundleView,
    CoverageView,
    DifferenceView,
    EntryView,
    GcView,
    ManifestView,
    MovedEntry,
    NeededModel,
    NeededPackage,
    NewEntry,
    Where,
)

if TYPE_CHECKING:
    from tests.unit.conftest import FakePlane

Fleet = Callable[..., Result]

NOW = datetime(2026, 2, 20, 12, 34, 56, tzinfo=UTC)
BUNDLE_ID = "6c2e1b2c-2a7d-4a0f-9d2d-4a0b1d2c3e4f"
REF = BundleRef(bundle_id=BUNDLE_ID, name="sdxl", version=3)
ENTRY = EntryView(
    asset_id=12,
    kind=AssetKind.LORA,
    sha256="ab" * 32,
    size=2_000_000,
    original_filename="ink.safetensors",
    target_path="models/loras/ink.safetensors",
    action=Action.COPY,
)
BUNDLE = BundleView(
    **REF.model_dump(),
    notes=None,
    prefix=f"bundles/{BUNDLE_ID}",
    manifest_sha256="cd" * 32,
    total_bytes=2_000_000,
    entry_count=1,
    active_in=["local/gpu"],
    previous_id=None,
    created_by="an API key",
    created_at=NOW,
    entries=[ENTRY],
)


def need(filename: str, where: Where, **changes: Any) -> NeededModel:
    blank = NeededModel(
        filename=filename,
        folder="loras",
        kind=AssetKind.LORA,
        url=None,
        sha256=None,
        node_ids=["4"],
        where=where,
        target_path=f"models/loras/{filename}",
    )
    return blank.model_copy(update=changes)


def coverage(*lacking: str) -> CoverageView:
    models = [need("a.safetensors", Where.MISSING, url="https://example.org/a")] if lacking else []
    return CoverageView(
        fleet="local/gpu", bundle=REF, workflows=["flow"], models=models, packages=[], lacking=list(lacking)
    )


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("12", NewEntry(asset="12")),
        ("a.safetensors", NewEntry(asset="a.safetensors")),
        ("12=models/loras/x/a.pt", NewEntry(asset="12", target_path="models/loras/x/a.pt")),
        ("n.zip:extract_zip", NewEntry(asset="n.zip", action=Action.EXTRACT_ZIP)),
        (
            "n.zip=models/other/n.zip:copy",
            NewEntry(asset="n.zip", target_path="models/other/n.zip", action=Action.COPY),
        ),
        ("odd:name", NewEntry(asset="odd:name")),
    ],
)
def test_an_asset_is_typed_with_its_target_and_action(text: str, entry: NewEntry) -> None:
    assert parse_entry(text) == entry


def test_an_asset_without_the_target_after_its_sign_is_wrong_usage() -> None:
    with pytest.raises(UsageProblem, match="no target path"):
        parse_entry("12=")


def test_a_bundle_is_created_from_assets_workflows_and_files(
    fleet: Fleet, fake_plane: "FakePlane", own_folder: Path
) -> None:
    (own_folder / "flow.json").write_text('{"1": {"class_type": "A", "inputs": {}}}')
    fake_plane.says("POST", "/api/bundles", BUNDLE, status=201)
    args = ("--asset", "12=models/loras/b.pt", "--for-workflow", "portrait", "--for-workflow", "flow.json")
    result = fleet("bundles", "create", "sdxl", *args, "--notes", "first")
    assert result.exit_code == 0, result.output
    assert "Bundle sdxl@3 was written: 1 assets, 2.0 MB" in result.stderr
    request = fake_plane.received[0].json
    assert request["entries"] == [{"asset": "12", "target_path": "models/loras/b.pt", "action": None}]
    assert request["for_workflows"] == ["portrait"]
    assert request["documents"] == {"flow.json": {"1": {"class_type": "A", "inputs": {}}}}
    assert (request["name"], request["notes"], request["accept_missing"]) == ("sdxl", "first", False)


def test_the_next_version_needs_no_name(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("POST", "/api/bundles", BUNDLE, status=201)
    result = fleet("bundles", "create", "--from", "sdxl@2", "--remove", "ink.safetensors", "--json")
    assert json.loads(result.stdout)["version"] == 3
    request = fake_plane.received[0].json
    assert (request["name"], request["previous"], request["remove"]) == (None, "sdxl@2", ["ink.safetensors"])


def test_a_file_that_is_no_workflow_is_wrong_usage(fleet: Fleet, own_folder: Path) -> None:
    (own_folder / "flow.json").write_text("[]")
    assert fleet("bundles", "create", "a", "--for-workflow", "flow.json").exit_code == 2


def test_bundles_are_listed_and_shown(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("GET", "/api/bundles", BundlePage(items=[BUNDLE], total=9))
    fake_plane.says("GET", "/api/bundles/sdxl%403", BUNDLE)
    listed = fleet("bundles", "list", "-n", "1")
    assert "sdxl@3" in listed.stdout
    assert "local/gpu" in listed.stdout
    assert "More: comfyfleet bundles list --offset 1" in listed.stderr
    shown = fleet("bundles", "show", "sdxl@3").stdout
    assert "models/loras/ink.safetensors" in shown
    assert BUNDLE.prefix in shown


def test_a_difference_tells_each_change_and_the_bytes(fleet: Fleet, fake_plane: "FakePlane") -> None:
    moved = ENTRY.model_copy(update={"target_path": "models/loras/x/ink.safetensors"})
    view = DifferenceView(
        before=REF,
        after=REF,
        added=[],
        removed=[ENTRY],
        moved=[MovedEntry(before=ENTRY, after=moved)],
        kept=4,
        bytes_to_fetch=5_000,
    )
    fake_plane.says("GET", "/api/bundles/a/diff/b", view)
    result = fleet("bundles", "diff", "a", "b")
    assert "models/loras/ink.safetensors → models/loras/x/ink.safetensors" in result.stdout
    assert "0 added, 1 removed, 1 moved, 4 kept; 5.0 kB to fetch" in result.stderr


def test_a_manifest_is_given_to_the_byte(fleet: Fleet, fake_plane: "FakePlane", own_folder: Path) -> None:
    content = '{"name":"Größe"}'
    digest = hashlib.sha256(content.encode()).hexdigest()
    view = ManifestView(bundle_id=BUNDLE_ID, key="bundles/x/manifest.json", sha256=digest, content=content)
    fake_plane.says("GET", "/api/bundles/sdxl/manifest", view)
    assert fleet("bundles", "manifest", "sdxl").stdout == content
    assert fleet("bundles", "manifest", "sdxl", "-o", "m.json").exit_code == 0
    assert (own_folder / "m.json").read_bytes() == content.encode()


def test_a_manifest_that_was_changed_on_the_way_is_refused(fleet: Fleet, fake_plane: "FakePlane") -> None:
    view = ManifestView(bundle_id=BUNDLE_ID, key="bundles/x/manifest.json", sha256="0" * 64, content="{}")
    fake_plane.says("GET", "/api/bundles/sdxl/manifest", view)
    result = fleet("bundles", "manifest", "sdxl")
    assert (result.exit_code, result.stdout) == (2, "")


def test_a_bundle_is_deleted_once_it_is_confirmed(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("GET", "/api/bundles/sdxl", BUNDLE)
    fake_plane.says("DELETE", f"/api/bundles/{BUNDLE_ID}", REF)
    assert fleet("bundles", "delete", "sdxl", typed="n\n").exit_code == 1
    assert fake_plane.of("DELETE", f"/api/bundles/{BUNDLE_ID}") == []
    assert fleet("bundles", "delete", "sdxl", "--yes").exit_code == 0


def test_gc_deletes_only_when_asked_and_confirmed(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("POST", "/api/bundles/gc", GcView(dry_run=True, manifests=["bundles/x/manifest.json"], unused=[]))
    dry = fleet("bundles", "gc")
    assert dry.stdout == "bundles/x/manifest.json\n"
    assert "would be deleted" in dry.stderr
    assert fleet("bundles", "gc", "--delete", typed="n\n").exit_code == 1
    assert all(request.json["dry_run"] for request in fake_plane.received)
    assert fleet("bundles", "gc", "--delete", "--yes", "--older-than", "30").exit_code == 0
    assert fake_plane.received[-1].json == {"dry_run": False, "older_than_days": 30}


def test_an_analysis_tells_where_each_thing_is(fleet: Fleet, fake_plane: "FakePlane", own_folder: Path) -> None:
    (own_folder / "flow.json").write_text("{}")
    package = NeededPackage(package="impact", version="8.2", class_types=["FaceDetailer"], where=Where.MISSING)
    view = AnalysisView(
        fleet="local/gpu",
        bundle=REF,
        models=[
            need("a.safetensors", Where.MISSING, url="https://example.org/a"),
            need("b.safetensors", Where.LIBRARY, asset_id=7),
        ],
        packages=[package],
        lacking=["loras/a.safetensors: missing"],
    )
    fake_plane.says("POST", "/api/workflows/analyze", view)
    result = fleet("workflows", "analyze", "flow.json", "--fleet", "gpu")
    assert result.exit_code == 0, result.output
    assert "https://example.org/a" in result.stdout
    assert "asset 7" in result.stdout
    assert "FaceDetailer" in result.stdout
    assert fake_plane.received[0].json == {"document": {}, "fleet": "local/gpu"}
    assert fleet("workflows", "analyze", "flow.json", "--check").exit_code == 1


def test_coverage_ends_with_1_when_that_is_asked_for(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("GET", "/api/fleets/local/gpu/coverage", coverage("loras/a.safetensors: missing"))
    assert fleet("fleets", "coverage", "gpu", "--bundle", "sdxl").exit_code == 0
    assert fake_plane.received[0].query == {"bundle": "sdxl"}
    assert fleet("fleets", "coverage", "gpu", "--check").exit_code == 1


def test_a_fleets_history_is_listed(fleet: Fleet, fake_plane: "FakePlane") -> None:
    line = ActivationView(at=NOW, by="a@b.c", bundle_id=BUNDLE_ID, bundle="sdxl@3", accepted_missing=["a: missing"])
    fake_plane.says("GET", "/api/fleets/local/gpu/activations", [line])
    result = fleet("fleets", "history", "gpu")
    assert "sdxl@3" in result.stdout
    assert "a: missing" in result.stdout
