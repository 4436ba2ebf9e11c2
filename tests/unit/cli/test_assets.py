import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import Result

from comfyfleet.core.assets import AssetKind
from comfyfleet.protocol.envelope import Page
from comfyfleet.protocol.library import (
    AssetPage,
    AssetUploadView,
    AssetView,
    AuditEntryView,
    BundleUse,
    UploadState,
)

if TYPE_CHECKING:
    from tests.unit.conftest import FakePlane

Fleet = Callable[..., Result]

NOW = datetime(2026, 2, 20, 12, 34, 56, tzinfo=UTC)
USE = BundleUse(bundle_id="b", name="sdxl", version=3)


def asset(**changes: Any) -> AssetView:
    blank = AssetView(
        id=12,
        kind=AssetKind.LORA,
        sha256="ab" * 32,
        size=2_000_000,
        object_key=f"assets/lora/{'ab' * 32}",
        filenames=["older.safetensors", "ink.safetensors"],
        notes="",
        license="MIT",
        source_url=None,
        inspection={},
        is_quarantined=False,
        created_by="an API key",
        created_at=NOW,
    )
    return blank.model_copy(update=changes)


def upload(state: UploadState, **changes: Any) -> AssetUploadView:
    blank = AssetUploadView(
        upload_id="u",
        state=state,
        filename="ink.safetensors",
        size=2_000_000,
        part_size=2**24,
        part_count=1,
        received=[],
        received_bytes=0,
        verified_bytes=0,
    )
    return blank.model_copy(update=changes)


def test_assets_are_listed_with_their_use_and_their_size(fleet: Fleet, fake_plane: "FakePlane") -> None:
    items = [asset(used_by=[USE]), asset(id=13, is_quarantined=True), asset(id=14, filenames=[])]
    fake_plane.says("GET", "/api/assets", AssetPage(items=items, total=9, bytes=18_000_000))
    result = fleet("assets", "list", "-n", "3", "--page", "2", "--kind", "lora", "--search", "ink", "--sort", "size")
    assert result.exit_code == 0, result.output
    assert [line.split()[-1] for line in result.stdout.splitlines()[1:]] == ["bundles", "quarantined", "unused"]
    assert "abababababab" in result.stdout.splitlines()[3], "what has no name is shown by its digest"
    assert "9 assets, 18.0 MB" in result.stderr
    assert "More: --page 3" in result.stderr
    assert fake_plane.received[0].query == {"q": "ink", "kind": "lora", "sort": "size", "limit": "3", "offset": "3"}


def test_unused_assets_are_the_largest_first(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("GET", "/api/assets", AssetPage(items=[], total=0, bytes=0))
    result = fleet("assets", "unused")
    assert "There are no such assets." in result.stderr
    assert fake_plane.received[0].query == {"unused": "true", "sort": "size", "limit": "500", "offset": "0"}


def test_quarantined_assets_are_asked_for(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("GET", "/api/assets", AssetPage(items=[asset(is_quarantined=True)], total=1, bytes=5))
    listed = json.loads(fleet("assets", "list", "--quarantined", "--json").stdout)
    assert (listed["items"][0]["id"], listed["total"], listed["bytes"]) == (12, 1, 5)
    assert fake_plane.received[0].query["quarantined"] == "true"


@pytest.mark.parametrize("option", [("--kind", "model"), ("--sort", "age"), ("--page", "0")])
def test_what_cannot_be_listed_is_wrong_usage(fleet: Fleet, fake_plane: "FakePlane", option: tuple[str, str]) -> None:
    assert fleet("assets", "list", *option).exit_code == 2
    assert fake_plane.received == []


def test_an_asset_is_shown_with_what_was_found_in_it(fleet: Fleet, fake_plane: "FakePlane") -> None:
    inspection = {"tensors": 264, "metadata": {"base_model": "sdxl"}, "trigger_words": ["ink", "pen"], "empty": None}
    fake_plane.says("GET", "/api/assets/ink.safetensors", asset(inspection=inspection, used_by=[USE]))
    shown = fleet("assets", "show", "ink.safetensors").stdout
    for words in ("older.safetensors", "264", "sdxl", "ink, pen", "sdxl@3", "MIT", "ab" * 32, "2,000,000 bytes"):
        assert words in shown
    assert "empty" not in shown


def test_a_name_that_means_several_is_refused_with_the_candidates(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.refuses(
        "GET", "/api/assets/a", 409, "asset_ambiguous", "'a' can be several: 1, 2.", "Name it by its id."
    )
    result = fleet("assets", "show", "a")
    assert (result.exit_code, "can be several: 1, 2" in result.stderr) == (3, True)


def test_deleting_tells_the_size_and_asks(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("GET", "/api/assets/ink", asset())
    fake_plane.says("GET", "/api/assets/12", asset())
    fake_plane.says("DELETE", "/api/assets/12", asset())
    refused = fleet("assets", "delete", "ink", typed="n\n")
    assert refused.exit_code == 1
    assert "Delete ink.safetensors (2.0 MB) for good?" in refused.stderr
    assert fake_plane.of("DELETE", "/api/assets/12") == []
    deleted = fleet("assets", "delete", "ink", "12", "--yes")
    assert deleted.exit_code == 0, deleted.output
    assert "deleted ink.safetensors, 2.0 MB" in deleted.stderr
    assert len(fake_plane.of("DELETE", "/api/assets/12")) == 1, "named twice, deleted once"


def test_as_long_as_a_bundle_needs_one_nothing_is_deleted(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("GET", "/api/assets/free", asset(id=1))
    fake_plane.says("GET", "/api/assets/used", asset(id=2, used_by=[USE]))
    fake_plane.says("DELETE", "/api/assets/1", asset(id=1))
    fake_plane.refuses("DELETE", "/api/assets/2", 409, "asset_in_use", "Bundles need it: sdxl@3.")
    result = fleet("assets", "delete", "free", "used", "--yes")
    assert (result.exit_code, "sdxl@3" in result.stderr) == (3, True)
    assert fake_plane.of("DELETE", "/api/assets/1") == []


def test_a_release_is_confirmed(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("GET", "/api/assets/12", asset(is_quarantined=True))
    fake_plane.says("POST", "/api/assets/12/release", asset())
    refused = fleet("assets", "release", "12", typed="n\n")
    assert (refused.exit_code, "may run code" in refused.stderr) == (1, True)
    assert fake_plane.of("POST", "/api/assets/12/release") == []
    released = fleet("assets", "release", "12", "--yes", "--json")
    assert json.loads(released.stdout)["is_quarantined"] is False


def test_an_import_is_followed_until_it_is_an_asset(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("POST", "/api/assets/imports", upload(UploadState.RECEIVING, size=1), status=201)
    fake_plane.says("GET", "/api/assets/uploads/u", upload(UploadState.RECEIVING, received_bytes=1_000_000))
    fake_plane.says("GET", "/api/assets/uploads/u", upload(UploadState.VERIFYING))
    fake_plane.says("GET", "/api/assets/uploads/u", upload(UploadState.STORED, asset=asset(is_quarantined=True)))
    url = "https://example.org/ink.safetensors"
    result = fleet("assets", "import", url, "--sha256", "AB" * 32, "--name", "i.pt", "--kind", "lora")
    assert result.exit_code == 0, result.output
    assert "ink.safetensors: added, 2.0 MB: lora 12" in result.stderr
    assert "is in quarantine" in result.stderr
    asked = fake_plane.received[0].json
    assert (asked["url"], asked["sha256"], asked["filename"], asked["kind"]) == (url, "ab" * 32, "i.pt", "lora")


def test_an_import_that_is_refused_says_why(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("POST", "/api/assets/imports", upload(UploadState.REFUSED, problem="example.org answered 404."))
    result = fleet("assets", "import", "https://example.org/ink.safetensors")
    assert (result.exit_code, "example.org answered 404" in result.stderr) == (1, True)


@pytest.mark.parametrize("words", [("ftp://example.org/a",), ("https://example.org/a", "--sha256", "12")])
def test_an_import_of_nonsense_is_wrong_usage(fleet: Fleet, fake_plane: "FakePlane", words: tuple[str, ...]) -> None:
    assert fleet("assets", "import", *words).exit_code == 2
    assert fake_plane.received == []


def test_the_audit_is_listed(fleet: Fleet, fake_plane: "FakePlane") -> None:
    entry = AuditEntryView(
        id=5, at=NOW, actor="a@b.c", action="asset.delete", subject="ab" * 32, detail={"filename": "ink.safetensors"}
    )
    fake_plane.says("GET", "/api/audit", Page(items=[entry], next_before=5))
    result = fleet("audit", "list", "--subject", "ab" * 32)
    for words in ("a@b.c", "asset.delete", "ink.safetensors"):
        assert words in result.stdout
    assert f"More: comfyfleet audit list --subject {'ab' * 32} --before 5" in result.stderr
    assert fake_plane.received[0].query == {"subject": "ab" * 32, "limit": "50"}
    searched = fleet("audit", "list", "ink", "--action", "asset.", "--actor", "a@b.c", "-n", "1")
    assert "More: comfyfleet audit list ink --action asset. --actor a@b.c --before 5" in searched.stderr
    assert fake_plane.received[1].query == {"q": "ink", "action": "asset.", "actor": "a@b.c", "limit": "1"}
