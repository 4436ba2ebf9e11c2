"""The switch between two bundles: cut anywhere and done again, it comes to the same end."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.unit.machine.building import Machine, bundle, bundle_id

from comfyfleet.core.bundles import Manifest
from comfyfleet.machine.apply import plan_apply
from comfyfleet.machine.bringing import bring
from comfyfleet.machine.errors import DiskRefuses, StateInvalid
from comfyfleet.machine.state import TreeFile, read_installed
from comfyfleet.machine.switch import Switch, begin_switch, finish_switch, plan_switch, run_step, run_switch
from comfyfleet.machine.unpacking import unpack

FOREIGN = {"models/loras/new.safetensors": b"somebody's own", "custom_nodes/foreign/notes.txt": b"notes"}


@dataclass(frozen=True)
class Passage:
    """A machine on which the old bundle is in place and the new one is ready to be switched to."""

    machine: Machine
    old: Manifest
    new: Manifest
    switch: Switch


def old_bundle(machine: Machine) -> Manifest:
    return bundle(
        1,
        machine.copy("custom_nodes/single", b"a file where a folder comes"),
        machine.tree("custom_nodes/outer", {"o.py": b"outer"}),
        machine.tree("custom_nodes/pack", {"p.py": b"1"}),
        machine.copy("custom_nodes/pack/weights.bin", b"weights"),
        machine.tree("custom_nodes/gone", {"g.py": b"gone"}),
        machine.tree("custom_nodes/turned", {"t.py": b"turned"}),
        machine.copy("models/vae/a.safetensors", b"a"),
        machine.copy("models/vae/b.safetensors", b"b"),
        machine.copy("models/vae/c.safetensors", b"c"),
        machine.copy("models/other/deep/er/x.bin", b"x"),
    )


def new_bundle(machine: Machine) -> Manifest:
    return bundle(
        2,
        machine.tree("custom_nodes/single/inner", {"i.py": b"inner of single"}),
        machine.tree("custom_nodes/outer/inner", {"i.py": b"inner of outer"}),
        machine.tree("custom_nodes/pack", {"p.py": b"2"}),
        machine.copy("custom_nodes/pack/weights.bin", b"weights"),
        machine.tree("custom_nodes/foreign", {"f.py": b"f"}),
        machine.copy("custom_nodes/turned", b"a file where a folder was"),
        machine.copy("models/vae/a.safetensors", b"a"),
        machine.copy("models/vae/b.safetensors", b"changed"),
        machine.copy("models/loras/c.safetensors", b"c"),
        machine.copy("models/loras/new.safetensors", b"new"),
    )


def ready(machine: Machine, manifest: Manifest) -> Switch:
    """Bring what a bundle needs into the store; return the switch to it."""
    facts, plan = plan_apply(machine.places, machine.source, manifest, machine.options)
    bring(machine.places, machine.source, facts, plan, machine.options, machine.report)
    trees = {}
    for entry in plan.unpack:
        staged = machine.places.staged_of(entry)
        staged.parent.mkdir(parents=True)
        files = unpack(machine.places.object_of(entry.sha256), entry.action, staged)
        trees[entry.target_path] = tuple(TreeFile(file.path, file.sha256, file.size) for file in files)
    return plan_switch(machine.places, plan, facts.installed, trees, whole=manifest)


def passage(folder: Path) -> Passage:
    machine = Machine(folder)
    old, new = old_bundle(machine), new_bundle(machine)
    machine.apply(old)
    for path, content in FOREIGN.items():
        machine.put(path, content)
    return Passage(machine, old, new, ready(machine, new))


def outcome(machine: Machine) -> dict[str, Any]:
    """Return all that a switch leaves."""
    displaced = machine.places.displaced
    return {
        "files": machine.files(),
        "displaced": {
            str(path.relative_to(displaced)): path.read_bytes() for path in displaced.rglob("*") if path.is_file()
        },
        "installed": machine.record("installed.json"),
        "previous": machine.record("previous.json"),
        "listed": machine.places.listed_paths.read_text(),
        "active": machine.places.active_bundle.read_text(),
        "is_cut": machine.places.journal.exists(),
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the switch leaves when nothing comes between."""
    one = passage(tmp_path_factory.mktemp("undisturbed"))
    run_switch(one.machine.places, one.switch)
    return outcome(one.machine)


STEPS = 14


def test_a_switch_leaves_the_new_bundle_and_what_others_put_there(undisturbed: dict[str, Any], tmp_path: Path) -> None:
    assert undisturbed["files"] == {
        "custom_nodes/foreign/f.py": b"f",
        "custom_nodes/outer/inner/i.py": b"inner of outer",
        "custom_nodes/pack/p.py": b"2",
        "custom_nodes/pack/weights.bin": b"weights",
        "custom_nodes/single/inner/i.py": b"inner of single",
        "custom_nodes/turned": b"a file where a folder was",
        "models/loras/c.safetensors": b"c",
        "models/loras/new.safetensors": b"new",
        "models/vae/a.safetensors": b"a",
        "models/vae/b.safetensors": b"changed",
    }
    assert undisturbed["displaced"] == {f"{bundle_id(2)}/{path}": content for path, content in FOREIGN.items()}
    assert undisturbed["active"] == f"{bundle_id(2)}\n"
    assert len(passage(tmp_path).switch.steps) == STEPS


@pytest.mark.parametrize("cut", range(STEPS + 1))
def test_a_switch_that_is_cut_after_any_step_is_finished_by_the_next_command(
    cut: int, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    one = passage(tmp_path)
    begin_switch(one.machine.places, one.switch)
    for step in one.switch.steps[:cut]:
        run_step(one.machine.places, step)
    assert one.machine.verify().is_whole
    assert outcome(one.machine) == undisturbed


@pytest.mark.parametrize("cut", range(STEPS))
def test_a_step_that_is_cut_in_itself_is_finished(cut: int, undisturbed: dict[str, Any], tmp_path: Path) -> None:
    one = passage(tmp_path)
    places = one.machine.places
    begin_switch(places, one.switch)
    for step in one.switch.steps[:cut]:
        run_step(places, step)
    step = one.switch.steps[cut]
    if step.aside and os.path.lexists(places.target_of(step.target)):
        (places.store / step.aside).parent.mkdir(parents=True, exist_ok=True)
        places.target_of(step.target).rename(places.store / step.aside)
    finish_switch(places)
    assert outcome(one.machine) == undisturbed


def test_every_step_can_be_done_twice_and_so_can_all(undisturbed: dict[str, Any], tmp_path: Path) -> None:
    one = passage(tmp_path)
    begin_switch(one.machine.places, one.switch)
    journal = one.machine.places.journal.read_bytes()
    for step in one.switch.steps:
        run_step(one.machine.places, step)
        run_step(one.machine.places, step)
    finish_switch(one.machine.places)
    one.machine.places.journal.write_bytes(journal)
    assert finish_switch(one.machine.places)
    assert not finish_switch(one.machine.places)
    assert outcome(one.machine) == undisturbed


def test_the_way_back_leads_to_what_was_before(tmp_path: Path) -> None:
    one = passage(tmp_path)
    run_switch(one.machine.places, one.switch)
    one.machine.rollback()
    assert one.machine.verify().bundle_id == one.old.bundle_id
    assert one.machine.verify().is_whole
    assert one.machine.files()["custom_nodes/outer/o.py"] == b"outer"
    assert one.machine.files()["custom_nodes/single"] == b"a file where a folder comes"


def test_what_was_displaced_once_is_never_overwritten(machine: Machine) -> None:
    path = "models/vae/a.safetensors"
    with_it, without = bundle(1, machine.copy(path, b"ours")), bundle(2, machine.copy("models/vae/b", b"b"))
    for theirs in (b"first", b"second", b"third"):
        machine.apply(without)
        machine.put(path, theirs)
        machine.apply(with_it)
        assert machine.files()[path] == b"ours"
    kept = [file.read_bytes() for file in machine.places.displaced.rglob("a.safetensors")]
    assert sorted(kept) == [b"first", b"second", b"third"]


def test_folders_and_links_that_others_put_at_a_target_are_displaced(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"elsewhere")
    machine.put("models/vae/folder/inside.txt", b"inside")
    (machine.root / "models/vae/link").symlink_to(tmp_path / "elsewhere")
    (machine.root / "models/vae/dangling").symlink_to("nowhere")
    machine.apply(bundle(1, *(machine.copy(f"models/vae/{name}", b"x") for name in ("folder", "link", "dangling"))))
    assert machine.verify().is_whole
    displaced = machine.places.displaced / bundle_id(1) / "models/vae"
    assert (displaced / "folder/inside.txt").read_bytes() == b"inside"
    assert (displaced / "link").readlink() == tmp_path / "elsewhere"
    assert (displaced / "dangling").is_symlink()
    assert (tmp_path / "elsewhere").read_bytes() == b"elsewhere"


def test_a_folder_that_replaced_a_bundles_file_is_displaced(machine: Machine) -> None:
    machine.apply(bundle(1, machine.copy("models/vae/a", b"a"), machine.copy("models/vae/b", b"b")))
    for name in ("a", "b"):
        (machine.root / "models/vae" / name).unlink()
        machine.put(f"models/vae/{name}/inside.txt", b"inside")
    machine.apply(bundle(2, machine.copy("models/vae/a", b"newer")))
    assert machine.files() == {"models/vae/a": b"newer"}
    kept = sorted(
        path.relative_to(machine.places.displaced).as_posix() for path in machine.places.displaced.glob("*/*/*/*/*")
    )
    assert kept == [f"{bundle_id(2)}/models/vae/{name}/inside.txt" for name in ("a", "b")]


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can make another user's link")
def test_a_link_of_another_user_is_refused_before_anything_changes(machine: Machine, tmp_path: Path) -> None:
    machine.apply(bundle(1, machine.copy("models/vae/a", b"a")))
    (tmp_path / "trap").mkdir()
    link = machine.root / "models/loras"
    link.symlink_to(tmp_path / "trap")
    os.chown(link, 12345, 12345, follow_symlinks=False)
    new = bundle(2, machine.copy("models/vae/b", b"b"), machine.copy("models/loras/deep/c", b"c"))
    with pytest.raises(DiskRefuses, match="link of another user"):
        machine.apply(new)
    assert list((tmp_path / "trap").iterdir()) == []
    assert machine.verify().bundle_id == bundle_id(1)
    assert machine.files() == {"models/vae/a": b"a"}
    os.chown(link, os.geteuid(), os.getegid(), follow_symlinks=False)
    machine.apply(new)
    assert (tmp_path / "trap/deep/c").read_bytes() == b"c", "a link of one's own is followed"


def test_a_file_in_the_way_of_a_folder_is_refused_before_anything_changes(machine: Machine) -> None:
    machine.apply(bundle(1, machine.copy("models/vae/a", b"a")))
    machine.put("models/loras/style", b"a file of somebody")
    with pytest.raises(DiskRefuses, match="is in the way"):
        machine.apply(bundle(2, machine.copy("models/vae/b", b"b"), machine.copy("models/loras/style/c", b"c")))
    assert not machine.places.journal.exists()
    assert machine.verify().bundle_id == bundle_id(1)
    assert machine.verify().is_whole


def test_folders_that_are_left_empty_go_but_not_comfyuis_own(machine: Machine) -> None:
    first = bundle(
        1,
        machine.copy("models/loras/a/b/c", b"c"),
        machine.copy("custom_nodes/n/m.py", b"m"),
        machine.copy("models/vae/v", b"v"),
    )
    machine.apply(first)
    machine.put("models/vae/own/o", b"o")
    machine.apply(bundle(2, machine.copy("models/checkpoints/x", b"x")))
    folders = {path.relative_to(machine.root).as_posix() for path in machine.root.rglob("*") if path.is_dir()}
    assert folders == {"models", "models/loras", "models/vae", "models/vae/own", "models/checkpoints", "custom_nodes"}


def test_a_damaged_journal_is_told(machine: Machine) -> None:
    for content in ("{", "[]", json.dumps({"steps": [], "after": {"manifest": {}}, "before": None})):
        machine.places.journal.write_text(content)
        with pytest.raises(StateInvalid, match="is damaged"):
            finish_switch(machine.places)
    machine.places.journal.unlink()
    assert read_installed(machine.places) is None
