"""`comfyfleet machine` as scripts see it: what it prints, and its exit codes."""

import fcntl
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.machine.building import Machine, bundle, bundle_id, packed
from typer.testing import CliRunner, Result

from comfyfleet.cli.machine import app
from comfyfleet.cli.machine_errors import EXIT_CODE_OF
from comfyfleet.cloud.local.processes import variables_of
from comfyfleet.core.bundles import Action
from comfyfleet.machine.settings import MachineSettings

Command = Callable[..., Result]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with two bundles at hand; the environment says where it is."""
    for name in variables_of(MachineSettings):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MODELS_FOLDER", str(tmp_path / "models"))
    monkeypatch.setenv("INSTALL_ROOT", str(tmp_path / "comfyui"))
    monkeypatch.setenv("ASSET_SYNC_LOG", str(tmp_path / "sync.log"))
    monkeypatch.setenv("COMFYUI_RESTART_COMMAND", "true")
    machine = Machine(tmp_path)
    node = machine.tree("custom_nodes/pack", {"p.py": b"1"})
    machine.publish(bundle(1, machine.copy("models/vae/a", b"a"), node))
    machine.publish(bundle(2, machine.copy("models/vae/b", b"bb"), node))
    return machine


@pytest.fixture
def command(machine: Machine) -> Command:
    """Run the command; its exit code must be the one that is given."""

    def run(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == code, f"{result.exit_code}: {result.output} {result.exception!r}"
        return result

    return run


def document(result: Result) -> Any:
    return json.loads(result.stdout)


def test_a_bundle_is_named_by_its_prefix_its_id_or_the_environment(
    command: Command, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (f"bundles/{bundle_id(1)}", bundle_id(2), f"/bundles/{bundle_id(1)}/"):
        command("apply", name)
        assert machine.verify().bundle_id in name
    monkeypatch.setenv("BUNDLE_PREFIX", f"bundles/{bundle_id(2)}")
    command("apply")
    assert machine.verify().bundle_id == bundle_id(2)


def test_an_apply_tells_what_it_did_and_the_log_has_it(command: Command, machine: Machine) -> None:
    told = document(command("apply", bundle_id(1), "--json"))
    size = len(b"a") + len(packed({"p.py": b"1"}))
    assert told == {
        "bundle_id": bundle_id(1),
        "is_changed": True,
        "fetched_bytes": size,
        "placed": 2,
        "removed": 0,
        "was_restarted": True,
    }
    log = (machine.folder / "sync.log").read_text().splitlines()
    assert log[-2].endswith("custom nodes changed: true") or log[-1].endswith("custom nodes changed: true")
    assert any(line.endswith(f"bundle {bundle_id(1)} is in place") for line in log)
    assert document(command("apply", bundle_id(1), "--json"))["is_changed"] is False


def test_a_dry_run_changes_nothing(command: Command, machine: Machine) -> None:
    plan = document(command("apply", bundle_id(1), "--dry-run", "--json"))
    assert {entry["target_path"] for entry in plan["fetch"]} == {"models/vae/a", "custom_nodes/pack"}
    assert plan["is_restart_needed"] is True
    assert not machine.root.exists()
    assert not machine.places.store.exists()
    command("apply", bundle_id(1))
    lines = command("apply", bundle_id(2), "--dry-run").stdout.splitlines()
    assert lines[:3] == ["fetch   models/vae/b  2 bytes", "place   models/vae/b", "remove  models/vae/a"]
    assert lines[-1].startswith("1 in place, 1 to fetch (2 bytes), 0 to unpack, 1 to place, 1 to remove")
    assert machine.verify().bundle_id == bundle_id(1)


def test_verify_names_what_differs(command: Command, machine: Machine) -> None:
    command("apply", bundle_id(1))
    assert "2 files, all as they should be" in command("verify").stdout
    machine.put("custom_nodes/pack/added.py", b"added")
    assert "added    custom_nodes/pack/added.py" in command("verify").stdout
    command("verify", "--strict", code=1)
    machine.put("models/vae/a", b"z")
    (machine.root / "custom_nodes/pack/p.py").unlink()
    said = command("verify", code=1).stdout
    assert "changed  models/vae/a" in said
    assert "lost     custom_nodes/pack/p.py" in said
    told = document(command("verify", "--json", code=1))
    assert told["is_whole"] is False
    assert {finding["difference"] for finding in told["findings"]} == {"added", "changed", "lost"}
    command("apply", bundle_id(1))
    command("verify")


def test_back_and_back_again(command: Command) -> None:
    assert "no bundle to go back to" in command("rollback", code=1).stderr
    command("apply", bundle_id(1))
    command("apply", bundle_id(2))
    assert document(command("rollback", "--json"))["bundle_id"] == bundle_id(1)
    assert document(command("rollback", "--json"))["bundle_id"] == bundle_id(2)


def test_status_tells_which_bundle_is_here(command: Command) -> None:
    before = document(command("status", "--json"))
    assert (before["active_bundle"], before["is_complete"], before["stored_files"]) == (None, False, 0)
    command("apply", bundle_id(1))
    command("apply", bundle_id(2))
    after = document(command("status", "--json"))
    assert (after["active_bundle"], after["previous_bundle"]) == (bundle_id(2), bundle_id(1))
    assert (after["is_complete"], after["stored_files"]) == (True, 3)
    assert f"previous_bundle  {bundle_id(1)}" in command("status").stdout


def test_a_manifest_is_read_again_only_when_asked(command: Command, machine: Machine) -> None:
    command("apply", bundle_id(1))
    (machine.folder / "models").rename(machine.folder / "gone")
    command("apply", bundle_id(1))
    command("apply", bundle_id(1), "--refresh", code=5)


def test_every_failure_has_its_exit_code(command: Command, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    command("apply", "none", code=2)
    command("apply", code=2)
    command("apply", bundle_id(9), code=5)
    machine.publish(bundle(3, machine.copy("models/vae/large", b"l", size=10**18)))
    command("apply", bundle_id(3), code=6)
    broken = machine.copy("custom_nodes/broken", b"no archive", action=Action.EXTRACT_ZIP)
    machine.publish(bundle(4, broken))
    command("apply", bundle_id(4), code=5)
    machine.publish(bundle(5, machine.tree("custom_nodes/needy", {"requirements.txt": b"x==1\n"})))
    command("apply", bundle_id(5), code=8)
    monkeypatch.setenv("COMFYUI_RESTART_COMMAND", "false")
    command("apply", bundle_id(1), code=9)
    monkeypatch.setenv("COMFYUI_RESTART_COMMAND", "true")
    command("apply", bundle_id(1))
    with machine.places.lock.open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for arguments in (("apply", bundle_id(2)), ("verify",), ("rollback",)):
            command(*arguments, code=7)
    command("verify")


def test_a_machine_without_a_store_says_what_to_set(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MODELS_FOLDER")
    result = command("apply", bundle_id(1), code=2)
    assert "MODELS_BUCKET" in result.stderr


def test_a_root_that_cannot_be_made_is_the_disks_refusal(command: Command, machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = ("--store", str(tmp_path / "store"))
    command("apply", bundle_id(1), "--root", str(tmp_path / "file" / "comfyui"), *store, code=6)
    command("verify", "--root", str(tmp_path / "file" / "comfyui"), *store, code=6)


def test_a_full_log_ends_nothing(command: Command, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSET_SYNC_LOG", "/dev/full")
    assert "the log cannot be written any more" in command("apply", bundle_id(1)).stderr
    assert machine.verify().is_whole
    command("apply", bundle_id(9), code=5)


def test_the_exit_codes_of_the_help_are_those_of_the_errors() -> None:
    assert set(EXIT_CODE_OF.values()) == {2, 3, 4, 5, 6, 7, 8, 9, 10}
    help_text = CliRunner().invoke(app, ["--help"]).output
    for code in EXIT_CODE_OF.values():
        assert f"{code} " in help_text
