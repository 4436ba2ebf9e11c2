"""Services of a machine: each has a supervisor of its own, which holds a lock while the service is there."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Final

from lab.guest.machine import Guest
from lab.guest.units import Unit, read_unit

_LONGEST_START_SECONDS: Final = 10.0
_TURN_SECONDS: Final = 0.05


def is_active(guest: Guest, unit: Unit) -> bool:
    """Tell whether a service is there."""
    path = _lock(guest, unit)
    if not path.exists():
        return False
    with path.open("r") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def start(guest: Guest, unit: Unit) -> int:
    """Start a service that is not there; return the exit code, of a one-shot's own command."""
    if unit.condition is not None and not unit.condition.exists():
        return 0
    if unit.is_oneshot:
        with log(guest, unit) as output:
            return launch(guest, unit, output).wait()
    if is_active(guest, unit):
        return 0
    subprocess.Popen(
        [sys.executable, "-m", "lab.guest.supervisor", unit.name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + _LONGEST_START_SECONDS
    while not is_active(guest, unit):
        if time.monotonic() > deadline:
            return 1
        time.sleep(_TURN_SECONDS)
    return 0


def stop(guest: Guest, unit: Unit) -> None:
    """End a service and wait until it is gone."""
    while is_active(guest, unit):
        with contextlib.suppress(ProcessLookupError, ValueError):
            os.kill(int(_lock(guest, unit).read_text()), signal.SIGTERM)
        time.sleep(_TURN_SECONDS)


def stop_all(guest: Guest) -> None:
    """End all services, the one that came last first."""
    locks = sorted((guest.root / "run").glob("*.service.pid"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in locks:
        stop(guest, read_unit(path.name.removesuffix(".pid"), guest))


def restarts_of(guest: Guest, unit: Unit) -> int:
    """Return how often a service was started again by itself, since somebody started it."""
    path = _count(guest, unit)
    return int(path.read_text()) if path.exists() else 0


def note_restarts(guest: Guest, unit: Unit, count: int) -> None:
    """Keep what `restarts_of` returns."""
    fresh = _count(guest, unit).with_suffix(".new")
    fresh.write_text(str(count))
    fresh.replace(_count(guest, unit))


def launch(guest: Guest, unit: Unit, output: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start a service's command, with nothing in its environment but what is the machine's and the unit's."""
    if unit.cache is not None:
        unit.cache.mkdir(parents=True, exist_ok=True)
    command = list(unit.command)
    if unit.environment_file is not None:
        # a file that systemd and a shell read alike
        command = ["sh", "-c", 'set -a; . "$0"; set +a; exec "$@"', str(unit.environment_file), *command]
    environment = {**guest.environment, **unit.environment}
    return subprocess.Popen(
        command, cwd=guest.root, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
    )


def log(guest: Guest, unit: Unit) -> IO[bytes]:
    """Open what a service prints into."""
    path = guest.log_of(unit.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("ab")


def hold(guest: Guest, unit: Unit) -> IO[str]:
    """Take a service's lock and leave our process id in it; raise `BlockingIOError` when another one has it."""
    path = _lock(guest, unit)
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a")
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def _lock(guest: Guest, unit: Unit) -> Path:
    return guest.root / "run" / f"{unit.name}.pid"


def _count(guest: Guest, unit: Unit) -> Path:
    return guest.root / "run" / f"{unit.name}.restarts"
