"""A ComfyUI under test: the stand-in, the real one from PyPI, or whichever COMFYUI_URL names."""

import io
import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import av
import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from websockets.sync.client import ClientConnection, connect

WORKFLOWS: Final = Path(__file__).parents[1] / "data" / "comfyui" / "workflows"
TERMINAL: Final = {"execution_success", "execution_error", "execution_interrupted"}
_WAIT_SECONDS: Final = 120.0

Json = dict[str, Any]


@dataclass
class Target:
    """One server, and small verbs on its API."""

    url: str
    name: str
    http: httpx.Client
    node_classes: frozenset[str] = field(default_factory=frozenset)
    version: str = ""

    @classmethod
    def at(cls, url: str, name: str) -> "Target":
        """Return a target after a look at what the server is and has."""
        http = httpx.Client(base_url=url, timeout=60)
        stats = http.get("/system_stats").json()
        classes = frozenset(http.get("/object_info").json())
        return cls(url, name, http, classes, stats["system"]["comfyui_version"])

    def lacks(self, graph: Json) -> set[str]:
        """Return the node classes of a graph that this server does not know."""
        return {node["class_type"] for node in graph.values()} - self.node_classes

    def upload(self, name: str, content: bytes, **fields: str) -> httpx.Response:
        """Upload a file to the input folder."""
        return self.http.post("/upload/image", files={"image": (name, content)}, data=fields)

    def submit(self, graph: Json, **more: Any) -> httpx.Response:
        """Queue a prompt."""
        return self.http.post("/prompt", json={"prompt": graph, **more})

    def run(self, graph: Json, **more: Any) -> Json:
        """Queue a prompt, wait for its end, and return its history entry."""
        answer = self.submit(graph, **more)
        assert answer.status_code == 200, answer.text
        return self.finished(answer.json()["prompt_id"])

    def finished(self, prompt_id: str) -> Json:
        """Wait until a prompt is in the history with an end."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while time.monotonic() < deadline:
            entry: Json | None = self.http.get(f"/history/{prompt_id}").json().get(prompt_id)
            if entry is not None and entry["status"]["messages"]:
                return entry
            time.sleep(0.02)
        raise AssertionError(f"{prompt_id} did not end")

    def view(self, file: Json) -> bytes:
        """Return the bytes of an output."""
        answer = self.http.get("/view", params=file)
        assert answer.status_code == 200, answer.text
        return answer.content

    @contextmanager
    def listen(self, client_id: str) -> "Iterator[Listener]":
        """Open a WebSocket."""
        with connect(f"ws{self.url.removeprefix('http')}/ws?clientId={client_id}", max_size=None) as connection:
            yield Listener(connection)

    def calm_down(self) -> None:
        """Empty the queue and stop what runs."""
        self.http.post("/queue", json={"clear": True})
        self.http.post("/interrupt", json={})

    def graph(self, name: str) -> Json:
        """Return one of the recorded workflows, with a prefix of its own, in the form that this server takes."""
        graph: Json = json.loads((WORKFLOWS / f"{name}.json").read_text())
        for node in graph.values():
            if "filename_prefix" in node["inputs"]:
                node["inputs"]["filename_prefix"] = f"{uuid4().hex}/{node['inputs']['filename_prefix']}"
            if node["class_type"] == "SaveVideo" and self.is_old:
                node["inputs"]["codec"] = node["inputs"].pop("format.codec")
        return graph

    @property
    def is_old(self) -> bool:
        """Whether it is of the 0.3 line, which takes `codec` for `format.codec` and lacks later nodes."""
        return self.version.startswith("0.3.")


class Listener:
    """A WebSocket that remembers its JSON messages."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.messages: list[Json] = []

    def until_end(self, prompt_id: str) -> list[Json]:
        """Read until a prompt's terminal message; return the messages about it."""
        while True:
            message = self.next()
            about_it = message["data"].get("prompt_id") == prompt_id
            if about_it and message["type"] in TERMINAL:
                return [one for one in self.messages if one["data"].get("prompt_id") == prompt_id]

    def until(self, kind: str) -> Json:
        """Read until a message of a kind."""
        while True:
            message = self.next()
            if message["type"] == kind:
                return message

    def next(self, timeout: float = _WAIT_SECONDS) -> Json:
        """Read one JSON message; previews in binary are passed over."""
        while True:
            raw = self._connection.recv(timeout=timeout)
            if isinstance(raw, str):
                message: Json = json.loads(raw)
                self.messages.append(message)
                return message


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Return an RGB array (height, width, 3) as a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def pixels_of(content: bytes) -> NDArray[np.int16]:
    """Return an image as (height, width, 3), wide enough to subtract."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(np.int16)


def frames_of(content: bytes) -> tuple[NDArray[np.int16], str, float]:
    """Return a video's frames (n, height, width, 3), its codec's name and its frames per second."""
    with closing(av.open(io.BytesIO(content), "r")) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return np.stack(frames).astype(np.int16), stream.codec_context.name, float(stream.average_rate or 0)
