"""The local fleet's worker: a child process, started again when it dies."""

import asyncio
import logging
import shlex
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from comfyfleet.cloud.local.processes import dying_with_parent, environment_without
from comfyfleet.server.settings import ServerSettings
from comfyfleet.up.comfyui_choice import ChosenComfyUI
from comfyfleet.up.settings import UpSettings

log = logging.getLogger(__name__)

_STOP_SECONDS: Final = 15.0
_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 30.0


def worker_environment(
    *, url: str, fleet_slug: str, stage: str, fleet_secret: str, comfyui: ChosenComfyUI, folder: Path
) -> dict[str, str]:
    """Return the settings of the local worker as its environment."""
    environment = {
        "API_BASE_URL": url,
        "WORKER_ID": f"local-{fleet_slug}",
        "FLEET_SECRET": fleet_secret,
        "FLEET_SLUG": fleet_slug,
        "FLEET_STAGE": stage,
        "REGISTRATION_SOURCE": "local",
        "COMFYUI_BASE_URL": comfyui.url,
        "HEARTBEAT_INTERVAL_SECONDS": "5",
        "WORK_DIRECTORY": str(folder),
    }
    if comfyui.start_command:
        environment["COMFYUI_START_COMMAND"] = shlex.join(comfyui.start_command)
    return environment


class WorkerProcess:
    """Keeps one worker running until it is stopped."""

    def __init__(self, environment: Mapping[str, str], log_file: Path) -> None:
        self._environment = {**environment_without(UpSettings, ServerSettings), **environment}
        self._log_file = log_file
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the worker and watch over it in the background."""
        self._task = asyncio.create_task(self._keep_running(), name="worker process")

    async def stop(self) -> None:
        """Ask the worker to put back its jobs and leave; kill it when it takes too long."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._process is not None and self._process.returncode is None:
            await _stop(self._process)

    async def _keep_running(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            started_at = asyncio.get_running_loop().time()
            self._process = await self._spawn()
            status = await self._process.wait()
            log.warning("the worker ended with status %d, starting it again; its log: %s", status, self._log_file)
            has_run_well = asyncio.get_running_loop().time() - started_at > _LONGEST_PAUSE_SECONDS
            pause = _FIRST_PAUSE_SECONDS if has_run_well else min(_LONGEST_PAUSE_SECONDS, pause * 2)
            await asyncio.sleep(pause)

    async def _spawn(self) -> asyncio.subprocess.Process:
        with self._log_file.open("ab") as output:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "comfyfleet",
                "worker",
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C in the terminal reaches `up` alone, which stops things in order
                preexec_fn=dying_with_parent(signal.SIGTERM),
            )


async def _stop(process: asyncio.subprocess.Process) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        log.warning("the worker did not stop within %d s, killing it", _STOP_SECONDS)
        process.kill()
        await process.wait()
