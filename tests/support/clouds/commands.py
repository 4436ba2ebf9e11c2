"""Commands on machines, run for real."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path

from tests.support.clouds.machines import MemoryMachines

from comfyfleet.cloud.errors import MachineUnreachable
from comfyfleet.cloud.fleet_ports import CommandRun, CommandStatus, MachineState

AGENT_SECONDS = 60
SHOWN_CHARACTERS = 24_000
_PATHS = re.compile(r"(?<![\w.-])/(opt|root|home|etc|var)(?![\w.-])")
_REMOVED = re.compile(r"\brm (?:-\w+ )*(.*)")


@dataclass
class ShellCommands:
    """Runs scripts with bash; a machine's disk is `folder/<instance id>`; `programs` are found before real ones.

    As on SSM, the output of a command is shown when it is over, and the beginning only.
    """

    machines: MemoryMachines
    folder: Path
    programs: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    is_never_reachable: bool = False
    sent: list[tuple[str, str]] = field(default_factory=list)
    canceled: list[str] = field(default_factory=list)
    _running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    _deadlines: dict[str, float] = field(default_factory=dict)
    _over: dict[str, CommandRun] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def is_reachable(self, instance_id: str) -> bool:
        machine = self.machines.find(instance_id)
        if self.is_never_reachable or machine is None or machine.state is not MachineState.RUNNING:
            return False
        return self.machines.clock.now() - machine.launched_at >= timedelta(seconds=AGENT_SECONDS)

    def run(self, instance_id: str, script: str, *, comment: str, timeout_seconds: int, log_prefix: str) -> str:
        if not self.is_reachable(instance_id):
            raise MachineUnreachable(f"{instance_id} takes no commands.")
        assert log_prefix.startswith("asset-sync/")
        self.sent.append((comment, script))
        command_id = f"command-{next(self._numbers)}"
        self._deadlines[command_id] = time.monotonic() + timeout_seconds
        root = self.disk(instance_id)
        text = _PATHS.sub(lambda found: f"{root}/{found[1]}", script)
        check_removals(text, root)
        self._running[command_id] = subprocess.Popen(
            ["bash", "-c", text],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment(root),
            cwd=root,
            start_new_session=True,
        )
        return command_id

    def look(self, command_id: str, instance_id: str) -> CommandRun:
        if command_id in self._over:
            return self._over[command_id]
        process = self._running.get(command_id)
        if process is None:
            return CommandRun(CommandStatus.PENDING, None, "", "")
        is_late = False
        try:
            output, errors = process.communicate(timeout=0.1)
        except subprocess.TimeoutExpired:
            is_late = time.monotonic() > self._deadlines[command_id]
            if not is_late:
                return CommandRun(CommandStatus.RUNNING, None, "", "")
            os.killpg(process.pid, signal.SIGKILL)
            output, errors = process.communicate()
        status = CommandStatus.SUCCEEDED if process.returncode == 0 else CommandStatus.FAILED
        if command_id in self.canceled:
            status = CommandStatus.CANCELED
        if is_late:
            status = CommandStatus.TIMED_OUT
        code = process.returncode if process.returncode >= 0 else None
        run = CommandRun(status, code, output.decode()[:SHOWN_CHARACTERS], errors.decode()[:8000])
        self._over[command_id] = run
        return run

    def cancel(self, command_id: str, instance_id: str) -> None:
        if command_id in self._over:
            return
        self.canceled.append(command_id)
        os.killpg(self._running[command_id].pid, signal.SIGTERM)

    def end_all(self) -> None:
        """End what nobody looks at any more, such as what read the output of a script that was cut off."""
        for command_id, process in self._running.items():
            if command_id not in self._over:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.communicate()

    def disk(self, instance_id: str) -> Path:
        root = self.folder / instance_id
        if not root.exists():
            for name in (
                "opt/comfyui/bin",
                "opt/worker",
                "root",
                "home/ubuntu",
                "etc/systemd/system",
                "var/lib/cloud",
                "tmp",
            ):
                (root / name).mkdir(parents=True)
            write_programs(root / "programs", self.programs)
        return root

    def comments(self) -> list[str]:
        return [comment for comment, _ in self.sent if comment != "comfyfleet: read output"]

    def _environment(self, root: Path) -> Mapping[str, str]:
        path = f"{root / 'programs'}:{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "TMPDIR": str(root / "tmp"), "ROOT": str(root), **self.environment}


def check_removals(script: str, root: Path) -> None:
    """Raise before a script removes anything of the machine that the tests run on."""
    for words in _REMOVED.findall(script):
        for word in re.findall(r"(?:^|[\s\"'])(/[^\s\"']*)", words):
            assert word.startswith(f"{root}/"), f"{word} is not of {root}"


def write_programs(folder: Path, programs: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in programs.items():
        path = folder / name
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)


def say(*lines: str, code: int = 0) -> str:
    """Return a program that prints lines and ends."""
    return "\n".join([*(f"echo {shlex.quote(line)}" for line in lines), f"exit {code}"])
