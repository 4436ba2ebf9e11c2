"""A ComfyUI that the worker starts itself, and starts again when it dies."""

import asyncio
import logging
import os
import shlex
import signal
from pathlib import Path
from typing import Final

from comfyfleet.cloud.local.processes import dying_with_parent, environment_without
from comfyfleet.worker.backoff import Backoff
from comfyfleet.worker.settings import WorkerSettings

log = logging.getLogger(__name__)

_STOP_SECONDS: Final = 5.0
_RAN_WELL_SECONDS: Final = 60.0


class ComfyUIProcess:
    """Keeps one ComfyUI running in a process group of its own until it is stopped.

    Workflows and custom nodes run there: it gets the worker's environment less the worker's own settings.

    Args:
        command: Its shell-quoted command line; no shell is started.
        log_file: What it prints is appended here.
        first_pause_seconds: The pause before the first restart; it doubles up to 30 s while ComfyUI keeps dying.
    """

    def __init__(self, command: str, log_file: Path, *, first_pause_seconds: float = 1.0) -> None:
        self._command = shlex.split(command)
        self._log_file = log_file
        self._backoff = Backoff(first_pause_seconds)
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process that runs at this moment, or None between two of them."""
        return self._process.pid if self._process and self._process.returncode is None else None

    def start(self) -> None:
        """Start it and watch over it in the background."""
        self._task = asyncio.create_task(self._keep_running(), name="comfyui process")

    async def restart(self) -> None:
        """End the process, however stuck it is; the watch starts it again."""
        if self._process is not None:
            await _end(self._process)

    async def stop(self) -> None:
        """Stop it for good, with all that it has started."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._process is not None:
            await _end(self._process)

    def kill(self) -> None:
        """Kill it at once, without waiting; for a worker that is leaving in a hurry."""
        if self._process is not None and self._process.returncode is None:
            _signal_group(self._process, signal.SIGKILL)

    async def _keep_running(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            started_at = clock()
            try:
                self._process = await self._spawn()
            except OSError as error:
                log.error("ComfyUI cannot be started with %s: %s", self._command[0], error)  # noqa: TRY400 - says it all
            else:
                status = await self._process.wait()
                _signal_group(self._process, signal.SIGKILL)  # what it left behind would keep the port and the GPU
                log.warning("ComfyUI ended with status %d and is started again; its log: %s", status, self._log_file)
            if clock() - started_at > _RAN_WELL_SECONDS:
                self._backoff.reset()
            await asyncio.sleep(self._backoff.next_seconds())

    async def _spawn(self) -> asyncio.subprocess.Process:
        self._log_file.parent.mkdir(parents=True, exist_ok=True)
        with self._log_file.open("ab") as output:
            return await asyncio.create_subprocess_exec(
                *self._command,
                env=environment_without(WorkerSettings),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=dying_with_parent(),
            )


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return  # the watch has killed what it left behind, and its id may be another's by now
    _signal_group(process, signal.SIGTERM)
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        log.warning("ComfyUI did not stop within %d s and is killed", _STOP_SECONDS)
    _signal_group(process, signal.SIGKILL)
    await process.wait()


def _signal_group(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
