"""A stand-in in this process behind a real uvicorn, and what tests say to it."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import pytest
from PIL import Image
from websockets.asyncio.client import ClientConnection, connect

from comfyfleet.core.graphs import Graph
from comfyfleet.standin.folders import Folders
from comfyfleet.standin.nodes.spec import Context
from comfyfleet.standin.server import StandInServer
from comfyfleet.standin.settings import MIB, Settings

DATA: Final = Path(__file__).parents[2] / "data" / "comfyui"
CLIP: Final = Path(__file__).parents[3] / "src" / "comfyfleet" / "up" / "seed" / "sample.mp4"
DEADLINE: Final = 60.0


@dataclass
class StandIn:
    """A running stand-in."""

    url: str
    base: Path
    http: httpx.AsyncClient

    async def post(self, graph: Graph, **more: Any) -> httpx.Response:
        return await self.http.post("/prompt", json={"prompt": graph, **more})

    async def submit(self, graph: Graph, **more: Any) -> str:
        response = await self.post(graph, **more)
        assert response.status_code == 200, response.text
        return str(response.json()["prompt_id"])

    async def ended(self, prompt_id: str) -> dict[str, Any]:
        """Wait until a prompt is in the history and return its entry."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            history = (await self.http.get(f"/history/{prompt_id}")).json()
            if history:
                entry: dict[str, Any] = history[prompt_id]
                return entry
            await asyncio.sleep(0.01)
        raise TimeoutError(f"The prompt {prompt_id} has not ended in {DEADLINE} s")

    async def submit_and_start(self, graph: Graph, **more: Any) -> str:
        """Submit a graph that takes long, and wait until it runs: a busy machine takes a moment to begin."""
        prompt_id = await self.submit(graph, **more)
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            if (await self.http.get(f"/api/jobs/{prompt_id}")).json()["status"] == "in_progress":
                return prompt_id
            await asyncio.sleep(0.01)
        raise TimeoutError(f"The prompt {prompt_id} has not begun in {DEADLINE} s")

    async def run(self, graph: Graph, **more: Any) -> dict[str, Any]:
        """Run a graph that must succeed and return its outputs."""
        entry = await self.ended(await self.submit(graph, **more))
        assert entry["status"]["status_str"] == "success", entry["status"]
        outputs: dict[str, Any] = entry["outputs"]
        return outputs

    @asynccontextmanager
    async def listen(self, client_id: str | None = None) -> AsyncIterator["Ear"]:
        name = client_id or uuid.uuid4().hex
        async with connect(f"{self.url.replace('http', 'ws', 1)}/ws?clientId={name}") as socket:
            yield Ear(name, socket)


@dataclass
class Ear:
    """One client's WebSocket, and all that came through it."""

    client_id: str
    socket: ClientConnection
    heard: list[dict[str, Any]] = field(default_factory=list)

    async def next(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await asyncio.wait_for(self.socket.recv(), DEADLINE))
        self.heard.append(message)
        return message

    async def until(self, type_: str, **data: Any) -> dict[str, Any]:
        """Listen until an event of a type whose data holds these values."""
        while True:
            message = await self.next()
            if message["type"] == type_ and message["data"].items() >= data.items():
                return message

    async def until_over(self) -> list[dict[str, Any]]:
        """Listen to the last event of a prompt and return all since the beginning."""
        await self.until("executing", node=None)
        return self.heard


@pytest.fixture
async def standin(tmp_path: Path) -> AsyncIterator[StandIn]:
    async with running(Settings(base_directory=tmp_path, port=0, max_upload_bytes=MIB)) as started:
        put_inputs(tmp_path)
        yield started


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[StandIn]:
    server = StandInServer(settings)
    task = asyncio.create_task(server.serve())
    while not server.urls:
        assert not task.done(), "The stand-in did not start"
        await asyncio.sleep(0.01)
    url = server.urls[0]
    async with httpx.AsyncClient(base_url=url, timeout=DEADLINE) as http:
        yield StandIn(url, settings.base_directory, http)
    server.should_exit = True
    await task


def put_inputs(base: Path) -> None:
    """Put the files there that the recorded workflows name; the clip is our sample."""
    pixels = np.arange(24 * 32 * 3, dtype=np.uint8).reshape(24, 32, 3)
    Image.fromarray(pixels).save(base / "input" / "test.png")
    (base / "input" / "broken.png").write_bytes(b"this is no picture")
    folder = base / "input" / "job-123"
    folder.mkdir()
    folder.joinpath("clip.mp4").write_bytes(CLIP.read_bytes())


class Graphs:
    """The workflows that were run on a real server, what it answered, and graphs of our own."""

    def workflow(self, name: str) -> Graph:
        graph: Graph = json.loads((DATA / "workflows" / f"{name}.json").read_text(encoding="utf-8"))
        return graph

    def record(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((DATA / "records" / f"{name}.json").read_text(encoding="utf-8"))
        return found

    def image(self, prefix: str = "out", **empty: Any) -> Graph:
        """Return the smallest graph that saves something."""
        inputs = {"width": 8, "height": 8, "batch_size": 1, "color": 0xFF0000} | empty
        return {
            "1": {"class_type": "EmptyImage", "inputs": inputs},
            "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": prefix}},
        }

    def long(self) -> Graph:
        """Return a graph that runs for minutes unless it is interrupted."""
        return self.workflow("vi_long_run")


@pytest.fixture
def graphs() -> Graphs:
    return Graphs()


@dataclass
class Bench:
    """What a node needs to be called without a server."""

    context: Context
    base: Path
    reports: list[tuple[int, int]]
    wishes: set[str]

    def interrupt(self) -> None:
        self.wishes.add("end")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    reports: list[tuple[int, int]] = []
    wishes: set[str] = set()
    context = Context(
        Folders(tmp_path),
        {"1": {"class_type": "X", "inputs": {}}},
        {"workflow": {"id": "w"}},
        lambda: bool(wishes),
        lambda value, maximum: reports.append((value, maximum)),
    )
    return Bench(context, tmp_path, reports, wishes)
