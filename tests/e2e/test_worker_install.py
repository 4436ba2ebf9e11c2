"""A worker's own install: the agent and the machine's verbs, without the server's packages."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

PYTHON = Path(__file__).parents[2] / ".cache" / "worker" / "bin" / "python"
SERVER = ("alembic", "asyncpg", "fastapi", "jinja2", "numpy", "sqlalchemy", "starlette", "uvicorn")
ENVIRONMENT = {
    "API_BASE_URL": "http://127.0.0.1:1",
    "COMFYUI_BASE_URL": "http://127.0.0.1:1",
    "WORKER_ID": "i-alone",
    "FLEET_SECRET": "a-fleet-secret-for-tests",
    "FLEET_SLUG": "gpu-default",
}


@pytest.fixture(autouse=True)
def environment_is_there() -> None:
    assert PYTHON.exists(), "make test makes it; or: make .cache/worker/.installed"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PYTHON, *arguments], capture_output=True, text=True, check=False)


def test_it_has_none_of_the_servers_packages() -> None:
    find = "import importlib.util as i, json, sys; print(json.dumps([n for n in sys.argv[1:] if i.find_spec(n)]))"
    result = run("-c", find, *SERVER)
    assert json.loads(result.stdout) == []


@pytest.mark.parametrize("command", [(), ("worker",), ("machine",), ("bundles", "apply"), ("fleets", "bake")])
def test_what_a_machine_and_an_operator_need_is_there(command: tuple[str, ...]) -> None:
    result = run("-m", "comfyfleet", *command, "--help")
    assert result.returncode == 0, result.stderr


def test_what_needs_the_server_says_what_to_install(tmp_path: Path) -> None:
    result = run("-m", "comfyfleet", "up", "--data", str(tmp_path))
    assert result.returncode == 1
    assert "comfyfleet[server]" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_agent_starts_and_leaves_when_it_is_asked_to() -> None:
    command = [str(PYTHON), "-m", "comfyfleet", "worker"]
    with subprocess.Popen(command, env=os.environ | ENVIRONMENT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "i-alone" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) in {0, -signal.SIGTERM}  # it may come before the agent listens to signals
