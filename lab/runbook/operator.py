"""The operator at a terminal: each command is shown as it is typed, with what it prints."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class StepFailed(RuntimeError):
    """A command did not end as the runbook says."""


class Operator:
    """Types commands of comfyfleet in a folder, with an environment that points to the lab and its control plane."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._environment = {**os.environ, **environment, "COLUMNS": "120", "NO_COLOR": "1"}
        self._folder = folder

    def types(self, *words: str, code: int = 0) -> None:
        """Run a command and show what it says.

        Raises:
            StepFailed: It ended with another exit code.
        """
        print(f"  $ comfyfleet {shlex.join(words)}", flush=True)
        process = subprocess.Popen(
            [sys.executable, "-m", "comfyfleet", *words],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for line in process.stdout or ():
            print(f"    {line.rstrip()}", flush=True)
        if process.wait() != code:
            raise StepFailed(f"comfyfleet {shlex.join(words)} ended with {process.returncode}, not {code}")

    def asks(self, *words: str) -> Any:
        """Run a command that only looks; return its JSON."""
        command = [sys.executable, "-m", "comfyfleet", *words, "--json"]
        done = subprocess.run(
            command, cwd=self._folder, env=self._environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise StepFailed(f"comfyfleet {shlex.join(words)}: {done.stderr.strip()}")
        return json.loads(done.stdout)
