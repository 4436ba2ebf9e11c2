"""A GPU machine in small: a stand-in for ComfyUI as a process, and a worker beside it."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
from pydantic import SecretStr
from tests.integration.worker.plane import FLEET_SECRET, Json, Plane, eventually

from comfyfleet.cloud.local.processes import dying_with_parent
from comfyfleet.worker.agent import Agent
from comfyfleet.worker.main import equipped
from comfyfleet.worker.settings import WorkerSettings
from comfyfleet.worker.tools import Tools

SLOW_STEPS: Final = 12


def free_port() -> int:
    """Return a port on which nothing listens at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def standin_command(port: int, folder: Path, *options: str) -> list[str]:
    """Return the command line of a stand-in."""
    given = ["--listen", "127.0.0.1", "--port", str(port), "--base-directory", str(folder), *options]
    return [sys.executable, "-m", "comfyfleet.standin", *given]


@contextlib.contextmanager
def standin(folder: Path, *options: str) -> Iterator[str]:
    """Run a stand-in and yield its URL; it may still be starting, as on a machine that boots."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        standin_command(port, folder, *options),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=dying_with_parent(),  # noqa: PLW1509 - one system call between fork and exec
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def worker_settings(plane: Plane, comfyui_url: str, folder: Path, **changes: Any) -> WorkerSettings:
    """Return the settings of a worker that is quick to notice things."""
    settings: Json = {
        "api_base_url": plane.url,
        "worker_id": "i-0test",
        "fleet_secret": SecretStr(FLEET_SECRET),
        "fleet_slug": "gpu-default",
        "heartbeat_interval_seconds": 0.2,
        "poll_interval_seconds": 0.1,
        "poll_wait_seconds": 5,
        "comfyui_base_url": comfyui_url,
        "work_directory": folder,
    }
    return WorkerSettings(**{**settings, **changes})


@contextlib.asynccontextmanager
async def working(settings: WorkerSettings) -> AsyncIterator[Tools]:
    """Run a worker while the block runs, and let it leave in good order."""
    async with equipped(settings) as tools:
        task = asyncio.create_task(Agent(tools).run())
        try:
            yield tools
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@contextlib.contextmanager
def worker_process(settings: WorkerSettings) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker as the program that a machine runs; its log goes to `worker.log` in its folder."""
    environment = {
        name.upper(): value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in settings
        if value is not None
    }
    settings.work_directory.mkdir(parents=True, exist_ok=True)
    with (settings.work_directory / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "comfyfleet", "worker"],
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
            preexec_fn=dying_with_parent(),  # noqa: PLW1509 - one system call between fork and exec
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def quick_graph(prefix: str) -> Json:
    """Return a graph that makes a small picture in node 2."""
    return {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 255}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": prefix}},
    }


def slow_graph(prefix: str) -> Json:
    """Return a graph that renders for many seconds, in steps, into node 99."""
    size = {"width": 1024, "height": 1024, "batch_size": 24, "color": hash(prefix) & 0xFFFFFF}
    graph: Json = {"1": {"class_type": "EmptyImage", "inputs": size}}
    for step in range(2, 2 + SLOW_STEPS):
        inputs = {"image": [str(step - 1), 0], "blur_radius": 15, "sigma": 5 + step / 10}
        graph[str(step)] = {"class_type": "ImageBlur", "inputs": inputs}
    graph["99"] = {"class_type": "SaveImage", "inputs": {"images": [str(step), 0], "filename_prefix": prefix}}
    return graph


async def queue_of(comfyui_url: str) -> list[str]:
    """Return the ids of the prompts that run or wait."""
    async with httpx.AsyncClient() as http:
        queue = (await http.get(f"{comfyui_url}/queue")).json()
    return [item[1] for name in ("queue_running", "queue_pending") for item in queue[name]]


async def until_idle(comfyui_url: str) -> None:
    """Wait until nothing runs or waits."""
    async with asyncio.timeout(60):
        while await queue_of(comfyui_url):
            await asyncio.sleep(0.02)


async def until_rendering(plane: Plane) -> None:
    """Wait until the worker has told some progress."""
    await eventually(
        lambda: any((beat.get("progress") or {}).get("value", 0) > 0 for beat in plane.of("heartbeat")),
        "no progress was told",
    )
