"""Functions of Lambda: each call runs the handler in a process of its own.

https://docs.aws.amazon.com/lambda/latest/dg/python-handler.html
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

_RUN: Final = (
    "import importlib, json, sys; module, handler = sys.argv[1].split('.');"
    "print(json.dumps(getattr(importlib.import_module(module), handler)(json.load(sys.stdin), None)))"
)


class FunctionFailed(RuntimeError):
    """A handler raised an error, or took longer than it may."""


@dataclass
class Function:
    """A handler such as `to_zero.handle` in a folder; `answers` is what its calls returned."""

    handler: str
    folder: Path
    environment: Mapping[str, str]
    timeout: float
    answers: list[Any] = field(default_factory=list)

    def call(self, event: Mapping[str, Any]) -> None:
        """Run the handler with an event; raise `FunctionFailed` when it does not end well."""
        try:
            done = subprocess.run(
                [sys.executable, "-c", _RUN, self.handler],
                input=json.dumps(event, default=str),
                cwd=self.folder,
                env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1", **self.environment},
                capture_output=True,
                text=True,
                check=False,
                timeout=self.timeout * 10,  # this machine may be slower than Lambda
            )
        except subprocess.TimeoutExpired as error:
            raise FunctionFailed(f"{self.handler} took longer than {error.timeout} s") from error
        if done.returncode != 0:
            raise FunctionFailed(f"{self.handler}: {done.stderr.strip()}")
        self.answers.append(json.loads(done.stdout.splitlines()[-1]))
