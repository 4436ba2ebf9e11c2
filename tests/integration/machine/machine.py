"""A machine in a folder: the real command runs on it in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from comfyfleet.machine.places import places_of
from comfyfleet.machine.report import Report
from comfyfleet.machine.verify import verify

_SECONDS = 60


@dataclass(frozen=True)
class Machine:
    """An install root and where its bundles come from (`source`, variables of the environment)."""

    folder: Path
    source: Mapping[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.folder / "comfyui"

    @property
    def store(self) -> Path:
        return self.folder / "comfyui.content"

    @property
    def log(self) -> Path:
        return self.folder / "sync.log"

    @property
    def journal(self) -> Path:
        return self.store / "switch.json"

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `comfyfleet machine`; nothing of this process's settings reaches it."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "INSTALL_ROOT": str(self.root),
            "ASSET_SYNC_LOG": str(self.log),
            **self.source,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "comfyfleet", "machine", *arguments],
            env=environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run it to its end, which must be the exit code; return what it said on both streams."""
        process = self.start(*arguments)
        try:
            out, error = process.communicate(timeout=_SECONDS)
        finally:
            process.kill()
        assert process.returncode == code, f"{arguments} ended with {process.returncode}:\n{out}{error}"
        return out + error

    def ask(self, *arguments: str, code: int = 0) -> Any:
        """Run it with --json; return what it answered."""
        return json.loads(self.run(*arguments, "--json", code=code))

    def verified_bundle(self) -> str:
        """Return the id of the bundle that the command `verify` finds whole."""
        return str(self.ask("verify")["bundle_id"])

    def whole_bundle(self) -> str:
        """The same without a process of its own, where nothing went wrong before."""
        verification = verify(places_of(self.root), Report())
        assert verification.is_whole, verification.findings
        return verification.bundle_id

    def read(self, target_path: str) -> bytes:
        return (self.root / target_path).read_bytes()

    def active_bundle(self) -> str:
        return (self.root / ".active_bundle_id").read_text().strip()

    def listed_paths(self) -> list[str]:
        return (self.root / ".installed_bundle_paths").read_text().splitlines()
