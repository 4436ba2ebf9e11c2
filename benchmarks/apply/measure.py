"""Runs commands and measures them: wall time, processor time and peak memory of all their processes."""

import os
import re
import resource
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.errors import BenchmarkFailed
from comfyfleet.cloud.local.processes import dying_with_parent

_SAMPLE_SECONDS: Final = 0.02
_KIB: Final = 2**10
_TAIL: Final = 2000


@dataclass(frozen=True)
class Command:
    """A program with its arguments; `environment` is all that it sees besides PATH and HOME."""

    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Usage:
    """What commands took: seconds on the clock and of processors (user and system), and bytes of memory."""

    wall: float
    cpu: float
    peak: int


def measure(commands: Sequence[Command], log: Path) -> Usage:
    """Run commands one after the other and return what they took together.

    Memory is the most that was in use at once: of one process what the kernel says was its most, of several at a
    time the sum of their proportional shares, looked at every 20 ms.

    Raises:
        BenchmarkFailed: One of them failed; its last words are in the message.
    """
    cpu, peak = 0.0, 0
    started = time.perf_counter()
    for command in commands:
        used = _run(command, log)
        cpu += used.cpu
        peak = max(peak, used.peak)
    return Usage(time.perf_counter() - started, cpu, peak)


def _run(command: Command, log: Path) -> Usage:
    outside = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    own_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB
    with log.open("wb") as output:
        process = subprocess.Popen(
            command.words,
            env={**outside, **command.environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=dying_with_parent(),  # noqa: PLW1509 - one system call between fork and exec
        )
        sampler = _Sampler(process.pid)
        sampler.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
        finally:
            sampler.stop()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise BenchmarkFailed(
            f"'{' '.join(command.words)[:200]}' ended with {process.returncode}: {_tail(log)}",
            hint="Run it by hand, or leave it out with --only.",
        )
    # The kernel counts the forked copy of this process as the child's, so a figure up to our own says nothing.
    told = used.ru_maxrss * _KIB
    return Usage(0.0, used.ru_utime + used.ru_stime, max(sampler.peak, told if told > own_peak else 0))


class _Sampler:
    """Looks at a process and its descendants until stopped."""

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self._pid = pid
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(_SAMPLE_SECONDS):
            self.peak = max(self.peak, _memory_of(self._pid))


def _memory_of(pid: int) -> int:
    family = _family(pid)
    if len(family) == 1:
        return _field(Path("/proc", str(pid), "status"), "VmHWM")
    return sum(_field(Path("/proc", str(one), "smaps_rollup"), "Pss") for one in family)


def _family(pid: int) -> list[int]:
    family = [pid]
    for one in family:  # grows while it is read
        try:
            for task in Path("/proc", str(one), "task").iterdir():
                family += [int(child) for child in (task / "children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended
    return family


def _field(path: Path, name: str) -> int:
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB", path.read_text(), re.MULTILINE)
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(found.group(1)) * _KIB if found else 0


def _tail(log: Path) -> str:
    return log.read_bytes()[-_TAIL:].decode(errors="replace").strip()
