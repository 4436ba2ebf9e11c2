"""A real ComfyUI as a child process: `with real_comfyui(folder) as url`."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest
from tests.realcomfyui.install import is_installed

from comfyfleet.cloud.local.network import free_port
from comfyfleet.cloud.local.processes import dying_with_parent

HERE: Final = Path(__file__).parent
INSTALLED: Final = HERE.parents[1] / ".cache" / "realcomfyui"
NOT_INSTALLED: Final = "no real ComfyUI of the pinned versions: run `make real-comfyui`, or set COMFYUI_URL"
_START_SECONDS: Final = 120.0


@contextlib.contextmanager
def any_real_comfyui(folder: Path) -> Iterator[str]:
    """Yield the URL of the ComfyUI that COMFYUI_URL names, or of the installed one, started for this.

    Where there is neither the test is skipped and says so; in CI, which sets REQUIRE_REAL_COMFYUI, it fails.
    """
    named = os.environ.get("COMFYUI_URL")
    if named:
        yield named.rstrip("/")
    elif is_installed(INSTALLED):
        with real_comfyui(folder) as url:
            yield url
    elif os.environ.get("REQUIRE_REAL_COMFYUI"):
        pytest.fail(NOT_INSTALLED)
    else:
        pytest.skip(NOT_INSTALLED)


@contextlib.contextmanager
def real_comfyui(folder: Path) -> Iterator[str]:
    """Start it with folders of its own below `folder`; yield its URL, and stop it in the end."""
    port = free_port()
    with (folder / "comfyui.log").open("wb") as log:
        process = subprocess.Popen(
            _command(folder, port),
            stdout=log,
            stderr=log,
            cwd=folder,
            preexec_fn=dying_with_parent(),  # noqa: PLW1509 - one system call between fork and exec
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(process, url, folder / "comfyui.log")
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _command(folder: Path, port: int) -> list[str]:
    front_end = folder / "front-end"
    front_end.mkdir()
    (front_end / "index.html").write_text("<title>ComfyUI</title>")
    for name in ("input", "output", "temp", "user"):
        (folder / name).mkdir(exist_ok=True)
    options = {
        "listen": "127.0.0.1",
        "port": port,
        "input-directory": folder / "input",
        "output-directory": folder / "output",
        "temp-directory": folder / "temp",
        "user-directory": folder / "user",
        "database-url": f"sqlite:///{folder / 'comfyui.db'}",
        "front-end-root": front_end,
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    python = INSTALLED / "venv" / "bin" / "python"
    return [str(python), str(HERE / "launch.py"), "--cpu", "--disable-all-custom-nodes", *arguments]


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text(errors="replace")[-3000:]
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{url}/system_stats", timeout=2).status_code == 200:
                return
        time.sleep(0.2)
    raise AssertionError(log.read_text(errors="replace")[-3000:])
