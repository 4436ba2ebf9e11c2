"""The manifest as JSON: read from anyone, written canonically."""

import json
from typing import Any

import pytest

from comfyfleet.core.assets import AssetKind
from comfyfleet.core.bundles import Action, Entry, Manifest
from comfyfleet.core.errors import Invalid
from comfyfleet.core.manifests import ManifestInvalid, parse_manifest, read_manifest, write_manifest

ID = "6c2e1b2c-2a7d-4a0f-9d2d-4a0b1d2c3e4f"
DIGEST = "ab" * 32


def document(**changes: Any) -> dict[str, Any]:
    """Return the contract's example."""
    asset = {
        "asset_id": 123,
        "kind": "checkpoint",
        "sha256": DIGEST,
        "size": 6938078334,
        "asset_s3_key": f"assets/checkpoint/{DIGEST}",
        "original_filename": "sdxl.safetensors",
        "target_path": "models/checkpoints/sdxl.safetensors",
        "action": "copy",
    }
    whole = {
        "manifest_version": 1,
        "bundle_id": ID,
        "name": "SDXL base and nodes",
        "created_at": "2026-02-20T12:34:56Z",
        "notes": None,
        "assets": [asset],
    }
    asset.update({key: value for key, value in changes.items() if key in asset})
    return {**whole, **{key: value for key, value in changes.items() if key not in asset}}


def test_the_contracts_example_is_read() -> None:
    assert parse_manifest(document()) == Manifest(
        ID,
        "SDXL base and nodes",
        "2026-02-20T12:34:56Z",
        (
            Entry(
                AssetKind.CHECKPOINT,
                DIGEST,
                f"assets/checkpoint/{DIGEST}",
                "sdxl.safetensors",
                "models/checkpoints/sdxl.safetensors",
                Action.COPY,
                6938078334,
                123,
            ),
        ),
    )


def test_what_is_written_is_read_again_and_always_the_same_bytes() -> None:
    manifest = parse_manifest(document(notes="Größe\n", requirements_lock="numpy==2.0\n"))
    written = write_manifest(manifest)
    assert read_manifest(written) == manifest
    assert write_manifest(read_manifest(written)) == written
    assert (
        written == json.dumps(json.loads(written), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    )


def test_a_manifest_without_sizes_and_with_unknown_keys_is_accepted() -> None:
    given = document(more="of it")
    del given["assets"][0]["size"]
    given["assets"][0]["colour"] = "blue"
    assert parse_manifest(given).entries[0].size is None


def test_a_kind_of_a_newer_library_does_no_harm() -> None:
    assert parse_manifest(document(kind="hologram")).entries[0].kind is AssetKind.OTHER


def test_a_directory_may_end_in_a_slash() -> None:
    assert parse_manifest(document(target_path="custom_nodes/a/")).entries[0].target_path == "custom_nodes/a"


@pytest.mark.parametrize("version", [0, 2, "1", None, True, 1.5])
def test_an_unknown_version_is_refused(version: object) -> None:
    with pytest.raises(ManifestInvalid, match="version"):
        parse_manifest(document(manifest_version=version))


@pytest.mark.parametrize(
    "changes",
    [
        {"bundle_id": "x"},
        {"bundle_id": 1},
        {"assets": None},
        {"assets": [1]},
        {"assets": [{}]},
        {"sha256": "short"},
        {"sha256": 1},
        {"size": -1},
        {"size": "10"},
        {"size": True},
        {"action": "run"},
        {"target_path": "/etc/passwd"},
        {"target_path": "../a"},
        {"target_path": ".active_bundle_id"},
        {"asset_s3_key": "../other"},
        {"name": 7},
        {"notes": 7},
        {"requirements_lock": []},
    ],
    ids=str,
)
def test_nonsense_is_refused_with_its_reason(changes: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        parse_manifest(document(**changes))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"null", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(content: bytes) -> None:
    with pytest.raises(ManifestInvalid):
        read_manifest(content)
