"""The control plane by itself, as it runs behind a load balancer: migrated once, served until it is asked to stop."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.support.fleet import eventually

from comfyfleet import names
from comfyfleet.cloud.local.network import free_port


def environment(database_url: str, folder: Path) -> dict[str, str]:
    return os.environ | {
        "DATABASE_URL": database_url,
        "APP_KEY": "a-signing-key-for-tests",
        "COMFYUI_FLEET_SECRET": "a-fleet-secret-for-tests",
        "OBJECTS_FOLDER": str(folder / "objects"),
    }


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "comfyfleet", *arguments], env=environ, capture_output=True, text=True, check=False
    )


def test_a_database_is_migrated_once_and_its_administrator_told_once(database_url: str, tmp_path: Path) -> None:
    environ = environment(database_url, tmp_path)
    first, second = (run("migrate", "--administrator", "ada@example.com", **environ) for _ in range(2))
    assert re.search(r"Administrator ada@example\.com, one-time password: \S+", first.stderr)
    assert (second.returncode, second.stderr.strip()) == (0, "The database is up to date.")


def test_it_serves_until_it_is_asked_to_stop(database_url: str, tmp_path: Path) -> None:
    environ, port = environment(database_url, tmp_path), free_port()
    assert run("migrate", **environ).returncode == 0
    arguments = [sys.executable, "-m", "comfyfleet", "serve", "--port", str(port)]
    with subprocess.Popen(arguments, env=environ) as server:
        try:
            eventually(lambda: answers(f"http://127.0.0.1:{port}/healthz"))
            server.send_signal(signal.SIGTERM)
            assert server.wait(30) in {0, -signal.SIGTERM}
        finally:
            server.kill()


@pytest.mark.parametrize("name", ["DATABASE_URL", "APP_KEY"])
def test_what_is_missing_is_named(database_url: str, tmp_path: Path, name: str) -> None:
    environ = environment(database_url, tmp_path)
    del environ[name]
    result = run("serve", **environ)
    assert result.returncode != 0
    assert name in result.stderr
    assert "a-fleet-secret" not in result.stderr


def test_while_a_secret_is_the_placeholder_it_is_healthy_and_serves_nobody(database_url: str, tmp_path: Path) -> None:
    environ = environment(database_url, tmp_path) | {"APP_KEY": names.SECRET_PLACEHOLDER}
    assert run("serve", **environ).returncode != 0, "only a stage's task waits"
    port = free_port()
    arguments = [sys.executable, "-m", "comfyfleet", "serve", "--port", str(port), "--wait-for-secrets"]
    with subprocess.Popen(arguments, env=environ) as server:
        try:
            eventually(lambda: answers(f"http://127.0.0.1:{port}/healthz"))
            for path in ("/", "/api/worker/register"):
                refusal = httpx.post(f"http://127.0.0.1:{port}{path}", json={}, timeout=60)
                assert (refusal.status_code, refusal.json()["data"]) == (503, None)
                assert "placeholder" in refusal.json()["message"]
            server.send_signal(signal.SIGTERM)
            assert server.wait(30) in {0, -signal.SIGTERM}
        finally:
            server.kill()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=60).status_code == 200
    except httpx.TransportError:
        return False
