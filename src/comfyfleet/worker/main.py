"""The worker as a program."""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx

from comfyfleet import __version__
from comfyfleet.client.errors import Refused
from comfyfleet.client.worker import WorkerApi
from comfyfleet.cloud.fleet_ports import Groups
from comfyfleet.worker.agent import Agent
from comfyfleet.worker.cloud_machine import CloudMachine
from comfyfleet.worker.comfyui.client import ComfyUI
from comfyfleet.worker.comfyui.process import ComfyUIProcess
from comfyfleet.worker.log_buffer import keeping_log
from comfyfleet.worker.membership import Membership
from comfyfleet.worker.metadata import Metadata
from comfyfleet.worker.settings import WorkerSettings
from comfyfleet.worker.shutdown import run_until_signalled
from comfyfleet.worker.tools import Tools

log = logging.getLogger(__name__)

COMFYUI_LOG: Final = "comfyui.log"

_REVOKED: Final = "worker_revoked"
_COMFYUI_TIMEOUT: Final = httpx.Timeout(30, connect=5)
"""Local, but a node that holds Python's lock keeps it from answering for a while."""
_STORAGE_TIMEOUT: Final = httpx.Timeout(60, connect=10)


def run(settings: WorkerSettings, groups: Groups | None = None) -> int:
    """Run the worker until SIGTERM or SIGINT; return the exit code: 0, or 1 when the control plane lets it not in.

    `groups` is what a machine that belongs to one, by the settings, answers to.
    """
    _log_to_stderr()
    return asyncio.run(_run(settings, groups))


@asynccontextmanager
async def equipped(settings: WorkerSettings, groups: Groups | None = None) -> AsyncIterator[Tools]:
    """Make a worker's tools, with a ComfyUI started when the settings say how; end all of it afterwards."""
    await asyncio.to_thread(_clear, settings.work_directory)
    with keeping_log([settings.fleet_secret.get_secret_value()]) as log_buffer:
        async with (
            httpx.AsyncClient() as plane,
            httpx.AsyncClient(timeout=_STORAGE_TIMEOUT) as storage,
            httpx.AsyncClient(timeout=_COMFYUI_TIMEOUT, trust_env=False) as local,
        ):
            tools = Tools(
                settings=settings,
                api=WorkerApi(plane, settings.api_base_url),
                storage=storage,
                comfyui=ComfyUI(local, settings.comfyui_base_url),
                process=_process(settings),
                log_buffer=log_buffer,
                machine=_machine(settings, local, groups),
            )
            async with _running(tools.process):
                yield tools


async def _run(settings: WorkerSettings, groups: Groups | None) -> int:
    async with equipped(settings, groups) as tools:
        log.info("comfyfleet worker %s, %s, fleet %s", __version__, settings.worker_id, settings.fleet_slug)
        at_once = tools.process.kill if tools.process else _nothing
        try:
            await run_until_signalled(Agent(tools).run(), at_once)
        except Refused as error:
            log.error("The control plane does not let this worker in: %s %s", error.message, error.hint)  # noqa: TRY400
            if error.code != _REVOKED:
                log.error("Compare API_BASE_URL, FLEET_SECRET, FLEET_SLUG and FLEET_STAGE with the control plane's.")  # noqa: TRY400
            return 1
    return 0


@asynccontextmanager
async def _running(process: ComfyUIProcess | None) -> AsyncIterator[None]:
    if process is None:
        yield
        return
    process.start()
    try:
        yield
    finally:
        await process.stop()


def _process(settings: WorkerSettings) -> ComfyUIProcess | None:
    if settings.comfyui_start_command is None:
        return None
    return ComfyUIProcess(settings.comfyui_start_command, settings.work_directory / COMFYUI_LOG)


def _machine(settings: WorkerSettings, local: httpx.AsyncClient, groups: Groups | None) -> CloudMachine | None:
    if settings.asg_name is None or groups is None:
        return None
    return CloudMachine(
        Metadata(local, settings.aws_ec2_metadata_service_endpoint),
        Membership(groups, settings.asg_name, settings.worker_id),
    )


def _clear(folder: Path) -> None:
    """Make the work directory; remove what jobs left there when the worker was killed."""
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob("job-*"):
        shutil.rmtree(leftover)


def _nothing() -> None:
    pass


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for name in ("httpx", "httpcore", "websockets"):  # httpx logs whole URLs, and a signed one opens its object
        logging.getLogger(name).setLevel(logging.WARNING)
