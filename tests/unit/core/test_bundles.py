"""What makes a bundle, and what differs between two."""

from dataclasses import replace

import pytest

from comfyfleet.core.assets import AssetKind
from comfyfleet.core.bundles import (
    Action,
    BundleInvalid,
    Entry,
    Manifest,
    check_entries,
    check_target,
    compare,
    default_action,
    default_target,
)
from comfyfleet.core.paths import PathRefused


def entry(target: str, digit: str = "a", size: int | None = 10, action: Action = Action.COPY) -> Entry:
    sha256 = digit * 64
    return Entry(AssetKind.LORA, sha256, f"assets/lora/{sha256}", target.rpartition("/")[2], target, action, size)


def bundle(*entries: Entry) -> Manifest:
    return Manifest("6c2e1b2c-2a7d-4a0f-9d2d-4a0b1d2c3e4f", "a bundle", "2026-02-20T12:34:56Z", entries)


@pytest.mark.parametrize(
    ("kind", "filename", "action", "target"),
    [
        (AssetKind.CHECKPOINT, "sdxl.safetensors", Action.COPY, "models/checkpoints/sdxl.safetensors"),
        (AssetKind.UPSCALE_MODEL, "4x.pth", Action.COPY, "models/upscale_models/4x.pth"),
        (AssetKind.CUSTOM_NODE, "ComfyUI-Foo.zip", Action.EXTRACT_ZIP, "custom_nodes/ComfyUI-Foo"),
        (AssetKind.CUSTOM_NODE, "Foo.tar.gz", Action.EXTRACT_TAR_GZ, "custom_nodes/Foo"),
        (AssetKind.CUSTOM_NODE, "Foo.tgz", Action.EXTRACT_TAR_GZ, "custom_nodes/Foo"),
        (AssetKind.CUSTOM_NODE, "one_file.py", Action.COPY, "custom_nodes/one_file.py"),
        (AssetKind.OTHER, "data.zip", Action.COPY, "models/other/data.zip"),
        (AssetKind.LORA, "C:\\x\\a.safetensors", Action.COPY, "models/loras/a.safetensors"),
    ],
)
def test_defaults_follow_from_kind_and_name(kind: AssetKind, filename: str, action: Action, target: str) -> None:
    assert default_action(kind, filename) is action
    assert default_target(kind, filename, action) == target


@pytest.mark.parametrize("target", [".active_bundle_id", ".git/config", "bin/apply-bundle.sh", "venv/bin/python"])
def test_the_machines_own_paths_are_no_targets(target: str) -> None:
    with pytest.raises(BundleInvalid):
        check_target(target)


def test_a_target_stays_below_the_root() -> None:
    with pytest.raises(PathRefused):
        check_target("../etc/passwd")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (entry("models/loras/a"), entry("models/loras/a", "b")),
        (entry("models/loras/A"), entry("models/loras/a", "b")),
        (entry("models/loras/\u00e9"), entry("models/loras/e\u0301", "b")),
        (entry("models/loras/a"), entry("models/loras/a/b", "b")),
        (
            entry("custom_nodes/a", action=Action.EXTRACT_ZIP),
            entry("custom_nodes/a/b", "b", action=Action.EXTRACT_ZIP),
        ),
        (entry("custom_nodes/a", action=Action.EXTRACT_ZIP), entry("custom_nodes/a", "b")),
    ],
)
def test_assets_that_cannot_both_be_there_collide(one: Entry, other: Entry) -> None:
    for pair in ((one, other), (other, one)):
        with pytest.raises(BundleInvalid, match="collide"):
            check_entries(pair)


def test_a_file_may_lie_inside_an_unpacked_archive() -> None:
    check_entries([entry("custom_nodes/a", action=Action.EXTRACT_ZIP), entry("custom_nodes/a/ckpts/b.pth", "b")])


def test_the_same_bytes_may_go_to_two_places() -> None:
    check_entries([entry("models/loras/a"), entry("models/checkpoints/a")])


def test_a_bundle_does_not_differ_from_itself() -> None:
    one = bundle(entry("models/loras/a"), entry("models/loras/b", "b"))
    difference = compare(one, one)
    assert (difference.added, difference.removed, difference.moved, difference.bytes_to_fetch) == ((), (), (), 0)
    assert difference.kept == one.entries


def test_what_is_added_removed_moved_and_kept_is_told() -> None:
    kept, gone, moving = entry("models/loras/a"), entry("models/loras/b", "b"), entry("models/loras/c", "c")
    moved, new = replace(moving, target_path="models/loras/d"), entry("models/vae/e", "e", 7)
    difference = compare(bundle(kept, gone, moving), bundle(kept, moved, new))
    assert difference.kept == (kept,)
    assert difference.removed == (gone,)
    assert difference.moved == ((moving, moved),)
    assert difference.added == (new,)
    assert difference.bytes_to_fetch == 7


def test_other_bytes_at_the_same_path_are_an_addition_and_a_removal() -> None:
    old, new = entry("models/loras/a", "a"), entry("models/loras/a", "b", 5)
    difference = compare(bundle(old), bundle(new))
    assert (difference.added, difference.removed, difference.bytes_to_fetch) == ((new,), (old,), 5)


def test_a_second_copy_of_known_bytes_costs_nothing() -> None:
    one, two = entry("models/loras/a"), entry("models/checkpoints/a")
    difference = compare(bundle(one), bundle(one, two))
    assert (difference.added, difference.bytes_to_fetch) == ((two,), 0)
