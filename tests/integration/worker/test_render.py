"""Rendering where ComfyUI gives few signs: no WebSocket, no trace of a prompt, nonsense."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from tests.integration.worker.plane import serving

from comfyfleet.protocol.worker import Progress
from comfyfleet.worker.comfyui.client import ComfyUI
from comfyfleet.worker.comfyui.render import Patience, Rendered, render
from comfyfleet.worker.errors import ComfyUIUnreachable, PromptLost, RenderTimedOut

GRAPH: Final = {"1": {"class_type": "EmptyImage", "inputs": {}}}
PROMPT_ID: Final = "0b2b620e-253f-4058-ac4f-357918c6ed40"
SUCCESS: Final = {"outputs": {}, "status": {"status_str": "success", "completed": True, "messages": []}}
QUICK: Final = Patience(render_seconds=0.3, gone_seconds=0.2, look_seconds=0.02)


@dataclass
class SilentComfyUI:
    """A ComfyUI without a WebSocket."""

    looks_until_done: int | None = 3
    own_id: str | None = None
    forgets: bool = False
    nonsense: bool = False
    looks: int = 0
    withdrawn: list[Any] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        """Answer anything."""
        path = request.url.path
        prompt_id = self.own_id or PROMPT_ID
        if request.method == "POST" and path in {"/queue", "/interrupt"}:
            self.withdrawn.append(await request.json())
            return PlainTextResponse("")
        if self.nonsense:
            return PlainTextResponse("500 Internal Server Error", 500)
        if path == "/prompt":
            return JSONResponse({"prompt_id": prompt_id, "number": 1, "node_errors": {}})
        is_done = self.looks_until_done is not None and self.looks >= self.looks_until_done
        if path == "/queue":
            self.looks += 1
            running = [] if self.forgets or is_done else [[1, prompt_id, GRAPH, {}, ["1"]]]
            return JSONResponse({"queue_running": running, "queue_pending": []})
        if path == f"/history/{prompt_id}":
            return JSONResponse({prompt_id: SUCCESS} if is_done and not self.forgets else {})
        return PlainTextResponse("404: Not Found", 404)


async def rendered(silent: SilentComfyUI) -> Rendered:
    """Render by a silent ComfyUI."""
    async with _client(silent) as comfyui:
        return await render(comfyui, GRAPH, PROMPT_ID, _ignore, owner={}, patience=QUICK)


async def test_history_alone_brings_a_render_to_its_end() -> None:
    silent = SilentComfyUI()
    result = await rendered(silent)
    assert result.entry == SUCCESS
    assert result.prompt_id == PROMPT_ID
    assert not silent.withdrawn


async def test_an_id_that_comfyui_chose_itself_is_followed() -> None:
    assert (await rendered(SilentComfyUI(own_id="theirs"))).prompt_id == "theirs"


async def test_a_prompt_without_a_trace_is_lost() -> None:
    with pytest.raises(PromptLost) as caught:
        await rendered(SilentComfyUI(forgets=True))
    assert caught.value.is_retryable


async def test_a_prompt_that_hangs_is_withdrawn() -> None:
    silent = SilentComfyUI(looks_until_done=None)
    with pytest.raises(RenderTimedOut):
        await rendered(silent)
    assert silent.withdrawn == [{"delete": [PROMPT_ID]}, {"prompt_id": PROMPT_ID}]


async def test_nonsense_is_no_answer() -> None:
    with pytest.raises(ComfyUIUnreachable, match="500 Internal Server Error") as caught:
        await rendered(SilentComfyUI(nonsense=True))
    assert caught.value.is_retryable


@contextlib.asynccontextmanager
async def _client(silent: SilentComfyUI) -> AsyncIterator[ComfyUI]:
    app = Starlette(routes=[Route("/{path:path}", silent.answer, methods=["GET", "POST"])])
    async with serving(app) as url, httpx.AsyncClient(timeout=60) as http:
        yield ComfyUI(http, url)


def _ignore(_: Progress) -> None:
    """Take progress, and nothing more."""
