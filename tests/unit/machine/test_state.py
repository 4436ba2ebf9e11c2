"""The records of what is installed."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.machine.building import Machine, bundle, bundle_id, entry

from comfyfleet.core.bundles import Action
from comfyfleet.machine.errors import ApplyRunning, StateInvalid
from comfyfleet.machine.state import (
    Installed,
    TreeFile,
    alone,
    is_node,
    parse_record,
    read_active_bundle,
    read_damaged,
    read_installed,
    read_listed_paths,
    read_record,
    record_of,
    write_damaged,
    write_durably,
)

TREE = entry("custom_nodes/pack", b"archive", action=Action.EXTRACT_ZIP, size=None, asset_id=3)
INSTALLED = Installed(
    bundle(1, TREE, entry("models/vae/a", b"a"), notes="n", requirements_lock="numpy==2\n"),
    {TREE.target_path: (TreeFile("ü b.py", "ab" * 32, 5),)},
)


@pytest.mark.parametrize("installed", [INSTALLED, replace(INSTALLED, is_complete=False), Installed(bundle(2))])
def test_a_record_says_again_what_was_written(installed: Installed) -> None:
    assert parse_record(json.loads(json.dumps(record_of(installed)))) == installed


def test_an_entry_is_found_by_its_target_path() -> None:
    assert INSTALLED.entry_at(TREE.target_path) == TREE
    assert INSTALLED.entry_at("models/vae") is None


def test_a_record_counts_while_nobody_applied_another_bundle(machine: Machine) -> None:
    places = machine.places
    assert read_installed(places) is None
    write_durably(places.installed, json.dumps(record_of(INSTALLED)))
    assert read_installed(places) is None
    places.active_bundle.write_text(f"{bundle_id(1)}\n")
    assert read_installed(places) == INSTALLED
    places.active_bundle.write_text(f"{bundle_id(2)}\n")
    assert read_installed(places) is None


def test_a_first_bundle_that_is_not_complete_counts_while_none_is_active(machine: Machine) -> None:
    broken_off = replace(INSTALLED, is_complete=False)
    write_durably(machine.places.installed, json.dumps(record_of(broken_off)))
    assert read_installed(machine.places) == broken_off
    machine.places.active_bundle.write_text(bundle_id(1))
    assert read_installed(machine.places) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}", '{"manifest": {"manifest_version": 9}}', "\xff"])
def test_a_damaged_record_is_told(content: str, tmp_path: Path) -> None:
    path = tmp_path / "installed.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(StateInvalid, match="is damaged"):
        read_record(path)
    assert read_record(tmp_path / "none") is None


def test_the_list_of_another_tool_is_read_with_care(machine: Machine) -> None:
    machine.put("models/vae/a", b"")
    machine.put("custom_nodes/pack/p.py", b"")
    machine.put("models/notes", b"")
    lines = [
        "models/vae/a",
        "  models/vae/padded  ",
        "./models/vae/dotted",
        f"{machine.root}/models/vae/absolute",
        "custom_nodes/pack/",
        "models/notes",
        "models/ghost",
        "models",
        "models/vae",
        "custom_nodes",
        "",
        ".active_bundle_id",
        "bin/apply-bundle.sh",
        "venv",
        "../outside",
        "/etc/passwd",
        "models/../../outside",
        "models\\vae",
    ]
    machine.places.listed_paths.write_text("\n".join(lines))
    assert read_listed_paths(machine.places) == [
        "models/vae/a",
        "models/vae/padded",
        "models/vae/dotted",
        "models/vae/absolute",
        "custom_nodes/pack",
        "models/notes",
        "models/ghost",
    ]


def test_no_list_and_no_active_bundle_are_no_error(machine: Machine) -> None:
    assert read_listed_paths(machine.places) == []
    assert read_active_bundle(machine.places) is None
    machine.places.active_bundle.write_text("\n")
    assert read_active_bundle(machine.places) is None


def test_damage_is_noted_and_forgotten(machine: Machine) -> None:
    assert read_damaged(machine.places) == frozenset()
    write_damaged(machine.places, {"models/vae/ü", "custom_nodes/pack"})
    assert read_damaged(machine.places) == {"models/vae/ü", "custom_nodes/pack"}
    write_damaged(machine.places, ())
    write_damaged(machine.places, ())
    assert read_damaged(machine.places) == frozenset()


def test_one_command_at_a_time(machine: Machine) -> None:
    with alone(machine.places):
        with pytest.raises(ApplyRunning), alone(machine.places):
            raise AssertionError
        with pytest.raises(ApplyRunning), alone(machine.places, wait_seconds=0.1):
            raise AssertionError
    with alone(machine.places):
        assert machine.places.lock.exists()


def test_a_command_that_waits_comes_next(machine: Machine) -> None:
    holding = (
        "import fcntl, sys\n"
        "lock = open(sys.argv[1], 'a+')\n"
        "fcntl.flock(lock, fcntl.LOCK_EX)\n"
        "print('held', flush=True)\n"
        "sys.stdin.readline()\n"
    )
    command = [sys.executable, "-c", holding, str(machine.places.lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ApplyRunning), alone(machine.places):
            raise AssertionError
        other.stdin.write("\n")
        other.stdin.flush()
        with alone(machine.places, wait_seconds=30):
            assert os.path.lexists(machine.places.lock)


def test_nodes_are_archives_and_what_lies_among_custom_nodes() -> None:
    assert is_node(TREE)
    assert is_node(entry("custom_nodes/single.py"))
    assert not is_node(entry("models/vae/a"))
