"""The stand-in as a process, as users run it."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from comfyfleet.cloud.local.network import free_port
from comfyfleet.cloud.local.processes import dying_with_parent


@contextlib.contextmanager
def standin(folder: Path) -> Iterator[str]:
    """Run the stand-in with its folders below `folder`; yield its URL."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "comfyfleet.standin", "--port", str(port), "--base-directory", str(folder)],
        preexec_fn=dying_with_parent(),  # noqa: PLW1509 - one system call between fork and exec
    )
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert process.poll() is None
            with contextlib.suppress(httpx.HTTPError):
                httpx.get(f"{url}/system_stats", timeout=60)
                break
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(20)
