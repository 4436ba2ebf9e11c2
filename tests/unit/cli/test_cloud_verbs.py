"""The commands of operators' verbs, on a cloud in memory that is handed over as Click's `obj`."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.clouds.commands import say, write_programs
from tests.support.clouds.fleet import BUCKET, FLEET, IMAGE_PARAMETER, STAGE, MemoryCloud
from typer.testing import CliRunner, Result

from comfyfleet import names
from comfyfleet.cli.main import app
from comfyfleet.cli.settings import CliSettings
from comfyfleet.ops.tools import Cloud

BUNDLE = "6c2e1b2c-2a7d-4a0f-9d2d-4a0b1d2c3e4f"
Command = Callable[..., Result]


@pytest.fixture
def memory(tmp_path: Path) -> MemoryCloud:
    memory = MemoryCloud(tmp_path / "cloud")
    memory.commands.programs = {"curl": say(), "sleep": say(), "journalctl": say()}
    return memory


@pytest.fixture
def command(memory: MemoryCloud) -> Command:
    """Run `comfyfleet ARGS…`; its exit code must be the one that is given."""

    def clouds(settings: CliSettings, stage: str, region: str | None) -> Cloud:
        return memory.cloud

    def run(*arguments: str, typed: str | None = None, code: int = 0) -> Result:
        result = CliRunner().invoke(app, list(arguments), input=typed, obj=clouds)
        assert result.exit_code == code, f"{result.exit_code}: {result.output} {result.exception!r}"
        return result

    return run


def applier(memory: MemoryCloud, machine: str, program: str) -> None:
    write_programs(memory.commands.disk(machine) / "opt/comfyui/bin", {"apply-bundle.sh": program})


def test_a_launch_is_shown_and_nothing_done_in_a_dry_run(command: Command, memory: MemoryCloud) -> None:
    result = command("devnode", "launch", "--dry-run")
    assert memory.image_id in result.stderr
    assert "for ada" in result.stderr
    assert result.stdout == ""
    plan = json.loads(command("devnode", "launch", "--dry-run", "--json").stdout)
    assert plan["stage"] == STAGE
    assert "machine" not in plan
    assert memory.machines.launched == []


def test_a_launch_is_agreed_to(command: Command, memory: MemoryCloud) -> None:
    command("devnode", "launch", typed="n\n", code=1)
    assert memory.machines.launched == []
    result = command("devnode", "launch", typed="y\n")
    assert result.stdout.splitlines()[-1] == "http://127.0.0.1:8188"
    assert "devnode open i-" in result.stderr


def test_a_node_that_is_open_is_listed_with_its_address_and_stopped(command: Command, memory: MemoryCloud) -> None:
    address = ("--cidr", "203.0.113.7/32")
    assert command("devnode", "launch", *address, "--yes").stdout == "http://203.0.113.1:8188\n"
    [node] = json.loads(command("devnode", "list", "--json").stdout)
    assert (node["owner"], node["url"]) == ("ada", "http://203.0.113.1:8188")
    assert node["instance_id"] in command("devnode", "list").stdout
    assert "no dev nodes" in command("devnode", "list", "--stage", "production").stderr
    told = json.loads(command("devnode", "stop", node["instance_id"], "--yes", "--json").stdout)
    assert told["state"] == "terminated"
    assert memory.gates.opened == {}


def test_several_addresses_need_a_word_more_than_yes(command: Command, memory: MemoryCloud) -> None:
    wide = ("devnode", "launch", "--cidr", "203.0.113.0/24", "--yes")
    assert "256 addresses" in command(*wide, code=2).stderr
    assert memory.machines.launched == []
    command(*wide, "--yes-i-mean-it")


def test_a_forward_is_printed(command: Command, memory: MemoryCloud) -> None:
    node = memory.up(role="dev-node")
    printed = command("devnode", "open", node, "--dry-run").stdout
    assert printed.startswith(f"aws ssm start-session --region eu-central-1 --target {node}")


def test_a_forward_takes_the_place_of_the_command(tmp_path: Path) -> None:
    programs = {"aws": 'printf "%s " "$@"', "session-manager-plugin": say()}
    write_programs(tmp_path / "programs", programs)
    program = (
        "import sys; from pathlib import Path; from comfyfleet.cli.main import app;"
        "from tests.support.clouds.fleet import MemoryCloud;"
        "memory = MemoryCloud(Path(sys.argv[1])); node = memory.up(role='dev-node');"
        "app(['devnode', 'open', node, '--port', '9000'], obj=lambda *_: memory.cloud)"
    )
    path = f"{tmp_path / 'programs'}:{os.environ['PATH']}"
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env={**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert run.stdout.startswith("ssm start-session --region eu-central-1 --target i-")
    assert '"localPortNumber":["9000"]' in run.stdout
    assert "http://127.0.0.1:9000 until Ctrl-C" in run.stderr


def test_an_apply_ends_with_the_exit_code_of_the_machines_program(command: Command, memory: MemoryCloud) -> None:
    machine = memory.up(role="dev-node")
    applier(memory, machine, "echo from afar; exit 6")
    arguments = ("bundles", "apply", f"bundles/{BUNDLE}", "--instance", machine)
    assert "apply-bundle.sh" in command(*arguments, "--dry-run").stderr
    assert memory.commands.sent == []
    result = command(*arguments, "--yes", code=6)
    assert result.stdout == "from afar\n"
    applier(memory, machine, "printf 'no end'")
    result = command(*arguments, "--yes", "--json")
    assert json.loads(result.stdout)["exit_code"] == 0
    assert "no end" in result.stderr


def test_a_machine_of_another_stage_is_wrong_usage(command: Command, memory: MemoryCloud) -> None:
    machine = memory.up(role="dev-node")
    result = command("bundles", "apply", BUNDLE, "--instance", machine, "--stage", "production", "--yes", code=2)
    assert "stage is 'staging'" in result.stderr


def test_a_bake_is_planned_with_the_active_bundle(command: Command, memory: MemoryCloud, tmp_path: Path) -> None:
    (tmp_path / "machine").mkdir()
    (tmp_path / "machine" / "install.sh").touch()
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "worker.txt").touch()
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "comfyfleet-1-py3-none-any.whl").touch()
    arguments = ("fleets", "bake", FLEET, "--machine-folder", "machine", "--revision", "abc")
    assert "names no bundle" in command(*arguments, "--dry-run", code=2).stderr
    memory.parameters.put(names.active_bundle_parameter(STAGE, FLEET), f"bundles/{BUNDLE}")
    memory.bucket(BUCKET).write(names.manifest_key(BUNDLE), b'{"assets": []}', content_type="application/json")
    plan = json.loads(command(*arguments, "--dry-run", "--json").stdout)
    assert (plan["bundle_id"], plan["revision"], plan["deletes"]) == (BUNDLE, "abc", [])
    assert "package" not in plan
    assert memory.machines.launched == []


def test_a_roll_needs_a_test_or_a_word_that_there_is_none(command: Command, memory: MemoryCloud) -> None:
    assert "--test-workflow" in command("fleets", "roll", FLEET, "--yes", code=2).stderr
    assert "no machine" in command("fleets", "roll", FLEET, "--no-test").stderr
    memory.groups.join(memory.image_id)
    memory.parameters.put(IMAGE_PARAMETER, memory.images.add("second"))
    assert json.loads(command("fleets", "roll", FLEET, "--no-test", "--dry-run", "--json").stdout)["size"] == 1
    assert "never rolled" in command("fleets", "rolls", FLEET).stderr
    started = command("fleets", "roll", FLEET, "--no-wait", "--yes", "--json")
    assert json.loads(started.stdout)["status"] == "started"
    assert "running" in command("fleets", "rolls", FLEET).stdout
    assert json.loads(command("fleets", "rolls", FLEET, "--json").stdout)["roll_id"] == "roll-1"
    command("fleets", "roll", FLEET, "--no-test", "--yes", code=1)


def test_a_roll_is_followed_to_its_end(command: Command, memory: MemoryCloud) -> None:
    memory.groups.join(memory.image_id)
    memory.parameters.put(IMAGE_PARAMETER, image := memory.images.add("second"))
    assert f"is of {image}" in command("fleets", "roll", FLEET, "--no-test", "--yes").stderr
    assert set(memory.groups.members.values()) == {image}
