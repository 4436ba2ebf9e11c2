"""Bundles one after another on one machine, in this process."""

import os
from pathlib import Path

import pytest
from tests.unit.machine.building import Machine, bundle, bundle_id, entry

from comfyfleet.core.manifests import ManifestInvalid
from comfyfleet.machine.apply import load_manifest, recorded_manifest
from comfyfleet.machine.errors import DiskFull, NothingBefore, ObjectMissing, RestartFailed, WrongBytes
from comfyfleet.machine.options import Options
from comfyfleet.machine.plan import SMALL_BYTES

LARGE = b"large" * (SMALL_BYTES // 5 + 1)


def test_a_first_bundle_is_put_in_place_and_applying_it_again_does_nothing(machine: Machine) -> None:
    one = bundle(1, machine.copy("models/checkpoints/large", LARGE), machine.tree("custom_nodes/pack", {"a.py": b"a"}))
    receipt = machine.apply(one)
    assert receipt.is_changed
    assert receipt.fetched_bytes == sum(item.size or 0 for item in one.entries)
    assert receipt.was_restarted
    assert machine.files() == {"custom_nodes/pack/a.py": b"a", "models/checkpoints/large": LARGE}
    again = machine.apply(one)
    assert (again.is_changed, again.fetched_bytes, again.was_restarted) == (False, 0, False)
    assert recorded_manifest(machine.places, bundle_id(1)) == one
    assert recorded_manifest(machine.places, bundle_id(2)) is None


def test_custom_nodes_and_small_files_of_a_first_bundle_are_told_before_the_last_byte_came(machine: Machine) -> None:
    entries = [machine.copy(f"models/checkpoints/{n}", bytes([n]) + LARGE) for n in range(4)]
    machine.apply(bundle(1, *entries, machine.tree("custom_nodes/pack", {"a.py": b"a"})))
    early = machine.said.index("custom nodes and small files are in place; large files follow")
    assert early < machine.said.index(f"bundle {bundle_id(1)} is in place")
    assert machine.verify().is_whole


def test_back_and_back_again_toggles_between_two_bundles(machine: Machine) -> None:
    old = bundle(1, machine.copy("models/vae/a", b"a"), machine.tree("custom_nodes/pack", {"p.py": b"1"}))
    new = bundle(2, machine.copy("models/vae/b", b"b"), machine.tree("custom_nodes/pack", {"p.py": b"2"}))
    machine.apply(old)
    machine.apply(new)
    for expected, version in ((old, b"1"), (new, b"2"), (old, b"1")):
        receipt = machine.rollback()
        assert (receipt.bundle_id, receipt.fetched_bytes) == (expected.bundle_id, 0)
        assert machine.files()["custom_nodes/pack/p.py"] == version
        verification = machine.verify()
        assert (verification.bundle_id, verification.findings) == (expected.bundle_id, ())
        assert machine.places.active_bundle.read_text().strip() == expected.bundle_id
        assert machine.places.listed_paths.read_text().splitlines() == [one.target_path for one in expected.entries]


def test_there_is_no_way_back_from_the_first_bundle(machine: Machine) -> None:
    with pytest.raises(NothingBefore, match="no bundle to go back to"):
        machine.rollback()
    machine.apply(bundle(1, machine.copy("models/vae/a", b"a")))
    with pytest.raises(NothingBefore, match="no bundle to go back to"):
        machine.rollback()


@pytest.mark.parametrize("size", [None, 1])
def test_there_is_no_way_back_to_files_that_are_gone(size: int | None, machine: Machine) -> None:
    machine.apply(bundle(1, machine.copy("models/vae/a", b"a", size=size)))
    machine.apply(bundle(2, machine.copy("models/vae/b", b"b")))
    (machine.places.objects / entry("", b"a").sha256).unlink()
    (machine.folder / "models").rename(machine.folder / "no store is here")
    with pytest.raises(NothingBefore, match="not here any more") as caught:
        machine.rollback()
    assert bundle_id(1) in caught.value.hint
    assert machine.verify().bundle_id == bundle_id(2)


def test_sizes_and_the_kind_may_be_unknown(machine: Machine) -> None:
    one = bundle(1, machine.copy("models/vae/a", b"a", size=None), machine.copy("models/vae/empty", b"", size=None))
    assert machine.apply(one).fetched_bytes == 1
    assert not machine.apply(one).is_changed
    assert machine.verify().is_whole


def test_bytes_that_the_manifest_does_not_promise_change_nothing(machine: Machine) -> None:
    machine.apply(bundle(1, machine.copy("models/vae/a", b"a")))
    wrong = machine.copy("models/vae/b", b"b")
    path = machine.folder / "models/data" / wrong.asset_s3_key
    for content, problem in ((b"c", WrongBytes), (b"longer", WrongBytes), (None, ObjectMissing)):
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(problem):
            machine.apply(bundle(2, wrong))
        assert machine.files() == {"models/vae/a": b"a"}
        assert machine.verify().bundle_id == bundle_id(1)
        path.touch()


def test_one_archive_that_is_refused_changes_nothing(machine: Machine) -> None:
    machine.apply(bundle(1, machine.tree("custom_nodes/pack", {"p.py": b"1"})))
    hostile = machine.tree("custom_nodes/pack", {"../../../escaped": b"!"})
    with pytest.raises(Exception, match="is refused") as caught:
        machine.apply(bundle(2, hostile, machine.tree("custom_nodes/other", {"o.py": b"o"})))
    assert getattr(caught.value, "code", "") == "archive_refused"
    assert machine.files() == {"custom_nodes/pack/p.py": b"1"}
    assert not list(machine.folder.rglob("escaped"))


def test_what_somebody_changed_or_lost_is_put_right(machine: Machine) -> None:
    one = bundle(
        1,
        machine.copy("models/vae/a", b"a"),
        machine.copy("models/vae/b", b"b"),
        machine.copy("models/vae/twin", b"b"),
        machine.tree("custom_nodes/pack", {"p.py": b"1", "q.py": b"2"}),
    )
    machine.apply(one)
    (machine.root / "models/vae/a").unlink()
    machine.put("models/vae/b", b"z")  # in place: its twin and the store's file are the same one
    (machine.root / "custom_nodes/pack/q.py").unlink()
    assert machine.apply(one).is_changed
    assert machine.verify().findings == ()
    assert not machine.apply(one).is_changed


def test_an_asset_may_hide_a_file_of_an_archive_and_give_it_free_again(machine: Machine) -> None:
    tree = machine.tree("custom_nodes/pack", {"p.py": b"1", "config.json": b"{}"})
    hiding = machine.copy("custom_nodes/pack/config.json", b'{"ours": true}')
    machine.apply(bundle(1, tree, hiding))
    assert machine.files()["custom_nodes/pack/config.json"] == b'{"ours": true}'
    assert machine.verify().findings == ()
    assert not machine.apply(bundle(1, tree, hiding)).is_changed
    machine.apply(bundle(2, tree))
    assert machine.files()["custom_nodes/pack/config.json"] == b"{}"
    assert machine.verify().findings == ()
    machine.rollback()
    assert machine.files()["custom_nodes/pack/config.json"] == b'{"ours": true}'


def test_the_right_file_that_stands_there_already_is_kept_and_a_link_is_not_followed(machine: Machine) -> None:
    standing = machine.put("models/vae/a", b"a")
    (machine.folder / "elsewhere").write_bytes(b"b")
    (machine.root / "models/vae/b").symlink_to(machine.folder / "elsewhere")
    inode = standing.stat().st_ino
    receipt = machine.apply(bundle(1, machine.copy("models/vae/a", b"a"), machine.copy("models/vae/b", b"b")))
    assert receipt.fetched_bytes == 1
    assert standing.stat().st_ino == inode
    assert not (machine.root / "models/vae/b").is_symlink()
    assert machine.verify().is_whole


def test_a_restart_that_failed_is_made_up_for_by_the_next_run(machine: Machine) -> None:
    one = bundle(1, machine.tree("custom_nodes/pack", {"p.py": b"1"}))
    machine.options = Options(restart_command="false")
    with pytest.raises(RestartFailed):
        machine.apply(one)
    assert machine.verify().is_whole
    machine.options = Options(restart_command="true")
    receipt = machine.apply(one)
    assert (receipt.is_changed, receipt.was_restarted) == (False, True)
    assert not machine.apply(one).was_restarted


def test_a_restart_that_fails_early_stops_no_large_file(machine: Machine) -> None:
    machine.options = Options(restart_command="false")
    with pytest.raises(RestartFailed):
        machine.apply(bundle(1, machine.tree("custom_nodes/pack", {"p.py": b"1"}), machine.copy("models/vae/l", LARGE)))
    assert machine.verify().is_whole


def test_comfyui_starts_again_only_when_its_nodes_change(machine: Machine) -> None:
    node = machine.tree("custom_nodes/pack", {"p.py": b"1"})
    assert machine.apply(bundle(1, node)).was_restarted
    assert not machine.apply(bundle(2, node, machine.copy("models/vae/a", b"a"))).was_restarted
    assert machine.apply(bundle(3, machine.copy("models/vae/a", b"a"))).was_restarted


def test_packages_are_installed_for_new_nodes_new_locks_and_on_the_way_back(machine: Machine, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nfor last; do :; done\ncat "$last" >> {tmp_path}/installed\n')
    python.chmod(0o755)
    machine.options = Options(restart_command="true", comfyui_python=python)
    first = machine.tree("custom_nodes/pack", {"requirements.txt": b"one==1\n"})
    second = machine.tree("custom_nodes/pack", {"requirements.txt": b"two==2\n"})
    machine.apply(bundle(1, first))
    machine.apply(bundle(2, second))
    machine.apply(bundle(3, second))
    machine.apply(bundle(4, second, requirements_lock="three==3\n"))
    machine.apply(bundle(5, second, machine.copy("models/vae/a", b"a"), requirements_lock="three==3\n"))
    assert (tmp_path / "installed").read_text() == "one==1\ntwo==2\nthree==3\n"
    machine.apply(bundle(1, first))
    machine.rollback()
    assert (tmp_path / "installed").read_text() == "one==1\ntwo==2\nthree==3\none==1\nthree==3\n"


def test_a_file_that_a_stopped_first_bundle_left_goes_with_the_next_and_what_others_left_stays(
    machine: Machine,
) -> None:
    shown, theirs = machine.copy("models/vae/shown", LARGE), machine.copy("models/vae/theirs", LARGE + b"!")
    missing = entry("models/vae/missing", LARGE + b"?")
    machine.put("models/vae/theirs", b"theirs")
    with pytest.raises(ObjectMissing):
        machine.apply(bundle(1, shown, theirs, machine.copy("models/loras/small", b"s"), missing))
    assert machine.files()["models/loras/small"] == b"s"
    assert machine.files()["models/vae/theirs"] == b"theirs"
    machine.apply(bundle(2, machine.copy("models/vae/other", b"o")))
    assert machine.files() == {"models/vae/other": b"o"}
    kept = [path.read_bytes() for path in machine.places.displaced.rglob("*") if path.is_file()]
    assert kept == [b"theirs"]


def test_the_store_keeps_what_two_bundles_need_when_it_is_limited(machine: Machine) -> None:
    machine.options = Options(store_limit_bytes=0)
    for number in range(1, 4):
        machine.apply(bundle(number, machine.copy("models/vae/a", bytes([number]))))
    digests = {entry("", bytes([number])).sha256 for number in (2, 3)}
    assert {path.name for path in machine.places.objects.iterdir()} == digests


def test_a_disk_without_room_shows_before_anything_is_fetched(machine: Machine) -> None:
    machine.apply(bundle(1, machine.copy("models/vae/a", b"a")))
    with pytest.raises(DiskFull, match="GB of room"):
        machine.apply(bundle(2, machine.copy("models/vae/b", b"b", size=10**18)))
    assert list(machine.places.partial.iterdir()) == []
    assert machine.verify().bundle_id == bundle_id(1)


def test_files_are_readable_whatever_the_umask(machine: Machine) -> None:
    before = os.umask(0o077)
    try:
        machine.apply(bundle(1, machine.copy("models/vae/a", b"a"), machine.copy("models/vae/l", LARGE)))
    finally:
        os.umask(before)
    modes = {(machine.root / "models/vae" / name).stat().st_mode & 0o777 for name in ("a", "l")}
    assert modes == {0o644}


def test_a_manifest_of_another_bundle_is_refused(machine: Machine) -> None:
    machine.publish(bundle(1, machine.copy("models/vae/a", b"a")))
    key = f"bundles/{bundle_id(1)}/manifest.json"
    assert load_manifest(machine.source, key, bundle_id(1)).bundle_id == bundle_id(1)
    with pytest.raises(WrongBytes, match="is the manifest of"):
        load_manifest(machine.source, key, bundle_id(2))
    (machine.folder / "models/data" / key).write_text("{")
    with pytest.raises(ManifestInvalid):
        load_manifest(machine.source, key, bundle_id(1))
