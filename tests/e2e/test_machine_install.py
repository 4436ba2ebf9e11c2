"""What a bake runs on a base image, as an ordinary user below a folder: our wheel, its lock, and the services."""

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from comfyfleet import names

REPOSITORY: Final = Path(__file__).parents[2]
MACHINE: Final = REPOSITORY / "infrastructure" / "machine"
UNITS: Final = MACHINE / "units"
COMMAND: Final = "a-comfyui-of-our-own --port 8188"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install a machine, twice: the second time finds all of it."""
    folder = tmp_path_factory.mktemp("image")
    installer = folder / "machine"
    shutil.copytree(MACHINE, installer)
    shutil.copy(REPOSITORY / "requirements" / "worker.txt", installer)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(REPOSITORY)]
    subprocess.run(wheel, check=True, capture_output=True)
    [built] = folder.glob("comfyfleet-*.whl")
    root = folder / "root"
    programs = folder / "programs"
    programs.mkdir()
    (programs / "systemctl").write_text(f'#!/bin/sh\necho "$*" >>{folder}/asked\n')
    (programs / "systemctl").chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "MACHINE_ROOT": str(root),
        "PYTHON": sys.executable,
        "COMFYUI_COMMAND": COMMAND,
    }
    environment.pop("PYTHONPATH", None)
    for _ in range(2):
        command = ["bash", str(installer / "install.sh"), str(built)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "done: comfyfleet" in done.stdout
    return root


def test_the_worker_has_an_environment_of_its_own_without_the_server(image: Path) -> None:
    program = image / "usr/local/bin/comfyfleet"
    said = subprocess.run([program, "machine", "boot", "--help"], capture_output=True, text=True, check=True)
    assert "boot.env" in said.stdout
    python = image / "opt/worker/venv/bin/python"
    server = subprocess.run([python, "-c", "import sqlalchemy"], capture_output=True, check=False)
    assert server.returncode == 1


def test_what_the_contract_names_is_there(image: Path) -> None:
    for path in (names.APPLY_PROGRAM, "/opt/worker/bin/boot.sh", "/opt/comfyui/bin/start-comfyui.sh"):
        assert os.access(image / path[1:], os.X_OK), path
    assert f"exec {COMMAND}\n" in (image / "opt/comfyui/bin/start-comfyui.sh").read_text()
    assert not (image / "opt/worker/env").exists()
    for unit in (names.COMFYUI_SERVICE, names.WORKER_SERVICE):
        assert (image / "etc/systemd/system" / unit).is_file()


def test_only_the_boot_starts_by_itself(image: Path) -> None:
    asked = (image.parent / "asked").read_text().splitlines()
    assert set(asked) == {"daemon-reload", "enable comfyfleet-boot.service comfyfleet-dev-node.service"}
    assert "ConditionPathExists=/opt/worker/boot.env" in (UNITS / "comfyfleet-boot.service").read_text()
    dev_node = (UNITS / "comfyfleet-dev-node.service").read_text()
    assert f"ConditionPathExists={names.DEV_NODE_SCRIPT}\n" in dev_node
    assert f"ExecStart={names.DEV_NODE_SCRIPT}\n" in dev_node


def test_each_unit_starts_what_the_installation_made(image: Path) -> None:
    for unit in UNITS.glob("*.service"):
        program = service(unit)["ExecStart"].split()[0]
        if program == names.DEV_NODE_SCRIPT:  # user data of dev nodes writes it
            continue
        assert os.access(image / program[1:], os.X_OK), unit.name


def test_comfyui_reaches_neither_the_role_nor_the_workers_secret() -> None:
    comfyui, worker = service(UNITS / names.COMFYUI_SERVICE), service(UNITS / names.WORKER_SERVICE)
    assert comfyui["IPAddressDeny"] == "169.254.169.254/32 fd00:ec2::254/128"
    assert (comfyui["User"], worker["User"]) == ("comfyui", "worker")
    assert "EnvironmentFile" not in comfyui
    assert comfyui["InaccessiblePaths"] == "-/opt/worker"
    assert comfyui["ProtectSystem"] == "strict"
    assert "/opt/comfyui/custom_nodes" not in comfyui["ReadWritePaths"].split()
    assert worker["EnvironmentFile"] == names.WORKER_ENVIRONMENT
    for section in (comfyui, worker):
        assert (section["NoNewPrivileges"], section["CapabilityBoundingSet"]) == ("yes", "")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this machine has no systemd-analyze")
def test_systemd_understands_the_units() -> None:
    command = ["systemd-analyze", "verify", "--man=no", *map(str, UNITS.glob("*.service"))]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    assert [line for line in said.splitlines() if "is not executable: No such file" not in line] == []


def service(unit: Path) -> dict[str, str]:
    """Return the settings of a unit's service."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # settings have capitals
    parser.read(unit)
    return dict(parser["Service"])
