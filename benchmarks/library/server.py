"""A `comfyfleet up` of this benchmark's own, and how much memory its control plane takes."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from benchmarks.errors import BenchmarkFailed
from comfyfleet.cloud.local.processes import dying_with_parent

_START_SECONDS: Final = 60.0
_KIB: Final = 2**10


class Server:
    """Runs without a worker on a free port; a context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        words = [sys.executable, "-m", "comfyfleet", "up", "--data", str(self._folder), "--port", "0", "--no-worker"]
        with (self._folder / "up.log").open("wb") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log, preexec_fn=dying_with_parent())  # noqa: PLW1509
        deadline = time.monotonic() + _START_SECONDS
        while not self._connection.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise BenchmarkFailed(
                    (self._folder / "up.log").read_text()[-2000:], hint="Run `comfyfleet up` by hand."
                )
            time.sleep(0.1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(str(json.loads(self._connection.read_text())["url"]).rpartition(":")[2])

    @property
    def api_key(self) -> str:
        """The administrator's key."""
        return str(json.loads(self._connection.read_text())["api_key"])

    @property
    def models_folder(self) -> Path:
        """Where its models disk lies."""
        return self._folder / "objects" / "comfyui_models"

    def peak_bytes(self) -> int:
        """Return the most memory that the control plane's process has had."""
        if self._process is None:
            raise BenchmarkFailed("The server does not run.", hint="Start it first.")
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(found.group(1)) * _KIB if found else 0

    @property
    def _connection(self) -> Path:
        return self._folder / "cli.json"
