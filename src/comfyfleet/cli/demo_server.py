"""The server of a demo: the `up` that runs on the data folder, or one started for the demo and stopped after it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import BinaryIO, Final, TextIO

from comfyfleet.client.api import ControlPlane
from comfyfleet.client.connection import Connection, read_connection
from comfyfleet.client.errors import Refused, Unreachable
from comfyfleet.client.workers import WorkerPlane
from comfyfleet.cloud.local.processes import dying_with_parent
from comfyfleet.core.errors import Unavailable
from comfyfleet.core.workers import WorkerStatus
from comfyfleet.protocol.workers import WorkerDetail

START_SECONDS: Final = 180.0
STOP_SECONDS: Final = 60.0
WORKER_SECONDS: Final = 120.0
LOG_FILE: Final = "demo-up.log"
_PAUSE_SECONDS: Final = 0.1


class UpFailed(Unavailable):
    """The server that the demo started ended, or never answered."""

    code = "up_failed"


class NoWorker(Unavailable):
    """The server runs, but no worker came."""

    code = "no_worker"


@dataclass(frozen=True)
class DemoServer:
    """A server that answers, and whether it was started for the demo."""

    connection: Connection
    is_ours: bool


Tell = Callable[[str], None]


@contextmanager
def demo_server(data: Path, comfyui_url: str | None, tell: Tell) -> Iterator[DemoServer]:
    """Yield the server of the data folder; start one if none answers, and stop it in the end.

    What a started server prints (its parts, a first start's one-time password) is told on. When it does not start,
    all of it is in `demo-up.log` in the data folder.
    """
    running = answering(data)
    if running is not None:
        yield DemoServer(running, is_ours=False)
        return
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    log_path = data / LOG_FILE
    with _private(log_path) as log, _terminated_is_interrupted():
        child = _start(data, comfyui_url, log)
        try:
            tell(f"starting comfyfleet up on {data} (process {child.pid})")
            with log_path.open(encoding="utf-8", errors="replace") as said:
                connection = _await_start(child, data, said, tell)
                log_path.unlink()  # all of it was told on, and a one-time password must not stay in a file
                yield DemoServer(connection, is_ours=True)
                _tell_on(said, tell)
        finally:
            tell("stopping the server that was started for the demo")
            _stop(child)


def answering(data: Path) -> Connection | None:
    """Return the connection of an `up` that really runs on this data folder, or None."""
    connection = read_connection(data)
    if connection is None:
        return None
    # A killed `up` leaves its file behind, and another program may have its port by now.
    with ControlPlane(connection) as plane, suppress(Unreachable, Refused):
        plane.me()
        return connection
    return None


def await_workers(plane: WorkerPlane, deadline_seconds: float = WORKER_SECONDS) -> list[WorkerDetail]:
    """Return the active workers in full as soon as there is one."""
    deadline = time.monotonic() + deadline_seconds
    while time.monotonic() < deadline:
        workers = plane.workers(statuses=[WorkerStatus.ACTIVE]).items
        if workers:
            return [plane.worker(worker.worker_id) for worker in workers]
        time.sleep(_PAUSE_SECONDS)
    raise NoWorker(
        f"No worker came within {deadline_seconds:.0f} s.", hint="Start one: comfyfleet worker, or comfyfleet up."
    )


def _start(data: Path, comfyui_url: str | None, log: BinaryIO) -> subprocess.Popen[bytes]:
    # Unbuffered: what it says is told on while it starts.
    command = [sys.executable, "-u", "-m", "comfyfleet", "up", "--data", str(data), "--port", "0"]
    if comfyui_url is not None:
        command += ["--comfyui", comfyui_url]
    # A session of its own: Ctrl-C reaches the demo alone, which stops the job first and the server then.
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=dying_with_parent(signal.SIGTERM),  # noqa: PLW1509 - the demo has one thread
    )


def _await_start(child: subprocess.Popen[bytes], data: Path, said: TextIO, tell: Tell) -> Connection:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        _tell_on(said, tell)
        if child.poll() is not None:
            break
        connection = answering(data)
        if connection is not None:
            return connection
        time.sleep(_PAUSE_SECONDS)
    _tell_on(said, tell)
    ended = f"ended with exit code {child.returncode}" if child.returncode is not None else "does not answer"
    raise UpFailed(f"The server that was started for the demo {ended}.", hint=f"What it said is in {said.name}.")


def _tell_on(said: TextIO, tell: Tell) -> None:
    for line in said:
        tell(f"  {line.rstrip()}")


def _stop(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is not None:
        return
    child.send_signal(signal.SIGINT)
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _private(path: Path) -> BinaryIO:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    return os.fdopen(descriptor, "wb")


@contextmanager
def _terminated_is_interrupted() -> Iterator[None]:
    """Make SIGTERM end the demo as Ctrl-C does, so that it never leaves its server behind."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
