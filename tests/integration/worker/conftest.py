"""A control plane, a stand-in and the worker's real code between them."""

import asyncio
import contextlib
import io
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import pytest
from PIL import Image
from pydantic import SecretStr
from tests.integration.worker.plane import FLEET_SECRET, Plane, running_plane, until

from comfyfleet.cloud.fleet_ports import Groups
from comfyfleet.cloud.local.network import free_port
from comfyfleet.cloud.local.processes import dying_with_parent
from comfyfleet.worker.agent import Agent
from comfyfleet.worker.main import equipped
from comfyfleet.worker.settings import WorkerSettings
from comfyfleet.worker.tools import Tools

WORKFLOWS: Final = Path(__file__).parents[2] / "data" / "comfyui" / "workflows"

Json = dict[str, Any]


@dataclass
class StandIn:
    """A stand-in in a process of its own."""

    url: str
    process: subprocess.Popen[str]
    folder: Path

    def queue(self) -> list[str]:
        """Return the ids of what runs or waits."""
        answer = httpx.get(f"{self.url}/queue", timeout=60).json()
        return [item[1] for name in ("queue_running", "queue_pending") for item in answer[name]]

    def endings(self) -> list[str]:
        """Return how each prompt ended, oldest first."""
        history: Json = httpx.get(f"{self.url}/history", timeout=60).json()
        return [entry["status"]["messages"][-1][0] for entry in history.values()]

    def submit(self, body: Json) -> None:
        """Queue a prompt behind the worker's back."""
        httpx.post(f"{self.url}/prompt", json=body, timeout=60).raise_for_status()

    def is_rendering(self) -> bool:
        """Tell whether a prompt runs."""
        return bool(httpx.get(f"{self.url}/queue", timeout=60).json()["queue_running"])


@contextlib.contextmanager
def standin(folder: Path, *options: str) -> Iterator[StandIn]:
    """Run a stand-in on a free port."""
    process = subprocess.Popen(
        [*standin_command(folder, 0), *options],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=dying_with_parent(),  # noqa: PLW1509 - one system call between fork and exec
    )
    assert process.stdout is not None
    try:
        yield StandIn(process.stdout.readline().split()[-1], process, folder)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def standin_command(folder: Path, port: int) -> list[str]:
    """Return the command line of a stand-in."""
    return [sys.executable, "-m", "comfyfleet.standin", "--port", str(port), "--base-directory", str(folder)]


@pytest.fixture
def comfyui(tmp_path: Path) -> Iterator[StandIn]:
    """A stand-in of this test's own: its queue and history start empty."""
    with standin(tmp_path / "comfyui") as running:
        yield running


@pytest.fixture
async def plane() -> AsyncIterator[Plane]:
    """A control plane without jobs."""
    async with running_plane() as running:
        yield running


@dataclass
class Crew:
    """Starts workers for a control plane."""

    plane: Plane
    folder: Path
    changes: Json = field(default_factory=dict)

    def settings(self, comfyui_url: str, **changes: Any) -> WorkerSettings:
        """Return settings that make a worker quick."""
        quick: Json = {
            "api_base_url": self.plane.url,
            "worker_id": "i-0test",
            "fleet_secret": SecretStr(FLEET_SECRET),
            "fleet_slug": "gpu-default",
            "heartbeat_interval_seconds": 0.3,
            "poll_interval_seconds": 0.1,
            "poll_wait_seconds": 5,
            "comfyui_base_url": comfyui_url,
            "work_directory": self.folder / "work",
        }
        return WorkerSettings(**{**quick, **changes})

    @contextlib.asynccontextmanager
    async def tools(self, comfyui_url: str, **changes: Any) -> AsyncIterator[Tools]:
        """Make what a worker in this process works with."""
        async with equipped(self.settings(comfyui_url, **changes)) as tools:
            yield tools

    @contextlib.asynccontextmanager
    async def worker(self, comfyui_url: str, groups: Groups | None = None, **changes: Any) -> AsyncIterator[Tools]:
        """Run a worker in this process."""
        async with equipped(self.settings(comfyui_url, **changes), groups) as tools:
            task = asyncio.create_task(Agent(tools).run())
            try:
                yield tools
                assert not task.done(), task.exception()
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    @contextlib.contextmanager
    def process(self, comfyui_url: str, **changes: Any) -> "Iterator[WorkerProcess]":
        """Run a worker as the program that it is."""
        settings = self.settings(comfyui_url, **changes).model_dump(mode="json", exclude_none=True)
        environment = {name.upper(): str(value) for name, value in settings.items()}
        environment["FLEET_SECRET"] = changes.get("fleet_secret", FLEET_SECRET)
        log_file = self.folder / "worker.log"
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "comfyfleet", "worker"],
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
                preexec_fn=dying_with_parent(),  # noqa: PLW1509
            )
        try:
            yield WorkerProcess(process, log_file)
        finally:
            process.kill()
            process.wait()


@dataclass
class WorkerProcess:
    """A worker as a program."""

    process: subprocess.Popen[bytes]
    log_file: Path

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    async def ended(self, seconds: float) -> int:
        """Wait for its end; return the exit code."""
        await until(lambda: self.process.poll() is not None, "the worker's end", seconds)
        return int(self.process.returncode)

    @property
    def log(self) -> str:
        """What it has printed."""
        return self.log_file.read_text()


@pytest.fixture
def crew(plane: Plane, tmp_path: Path) -> Crew:
    """What starts workers."""
    return Crew(plane, tmp_path)


def workflow(name: str) -> Json:
    """Return one of the recorded workflows."""
    graph: Json = json.loads((WORKFLOWS / f"{name}.json").read_text())
    return graph


def invert_image(prefix: str, image: str = "{{INPUT_IMAGE}}") -> Json:
    """Return a workflow that inverts an image; its output node is 3."""
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": image}},
        "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": prefix}},
    }


def plain_image(prefix: str) -> Json:
    """Return a workflow without inputs; its output node is 2."""
    return {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 255}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": prefix}},
    }


def short_run(prefix: str) -> Json:
    """Return a workflow that renders for some seconds; its output node is 4."""
    return {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 1024, "height": 1024, "batch_size": 4, "color": 255}},
        "2": {"class_type": "ImageBlur", "inputs": {"image": ["1", 0], "blur_radius": 15, "sigma": 5.0}},
        "3": {"class_type": "ImageBlur", "inputs": {"image": ["2", 0], "blur_radius": 15, "sigma": 5.0}},
        "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": prefix}},
    }


def red_png(size: int = 16) -> bytes:
    """Return a red picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), (255, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def first_pixel(content: bytes) -> tuple[int, ...]:
    """Return the first pixel of a picture."""
    pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    return tuple(int(value) for value in pixels[0, 0])


def start_command(folder: Path) -> tuple[str, str]:
    """Return the URL and the shell-quoted command of a stand-in that the worker is to start."""
    port = free_port()
    return f"http://127.0.0.1:{port}", shlex.join(standin_command(folder, port))
