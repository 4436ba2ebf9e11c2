import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

import httpx
import pytest
from tests.integration.worker.conftest import Crew, StandIn, plain_image, workflow
from tests.integration.worker.plane import until

from comfyfleet.client.worker import WorkerApi
from comfyfleet.protocol.worker import LeasedJob
from comfyfleet.worker.heartbeat import Pulse
from comfyfleet.worker.pipeline import run_job

_MOST_STEPS: Final = 200

Json = dict[str, Any]


class Wire(httpx.AsyncBaseTransport):
    """The way to a control plane without a socket: no time passes on it but the steps of the event loop.

    A heartbeat stays unanswered, so that one is always under way; when the worker drops it, it ends as soon as
    `letting_go` is set. A completion calls `on_complete` and is answered as soon as `answering` is set.
    """

    def __init__(self) -> None:
        self.verbs: list[str] = []
        self.on_complete: Callable[[], None] = lambda: None
        self.answering = asyncio.Event()
        self.answering.set()
        self.is_dropped = False
        self.letting_go = asyncio.Event()
        self.letting_go.set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        verb = request.url.path.rpartition("/")[2]
        self.verbs.append(verb)
        if verb == "heartbeat":
            await self._hold()
        if verb == "complete":
            self.on_complete()
            await self.answering.wait()
            return httpx.Response(200, json={"data": {"job_id": 1}, "message": "ok"})
        return httpx.Response(200, json={"data": None, "message": "ok"})

    async def _hold(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.is_dropped = True
            await self.letting_go.wait()


@asynccontextmanager
async def running(
    crew: Crew, comfyui: StandIn, graph: Json, node_id: str, wire: Wire
) -> AsyncIterator[asyncio.Task[None]]:
    """Run one job whose control plane is at the end of `wire`."""
    job = LeasedJob.model_validate(crew.plane.offer(graph, node_id))
    crew.plane.waiting.clear()
    async with crew.tools(comfyui.url) as tools, httpx.AsyncClient(transport=wire) as http:
        task = asyncio.create_task(run_job(replace(tools, api=WorkerApi(http, "http://plane")), job, Pulse()))
        try:
            yield task
        finally:
            wire.answering.set()
            wire.letting_go.set()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_a_stop_before_the_completion_puts_the_job_back(crew: Crew, comfyui: StandIn) -> None:
    wire = Wire()
    async with running(crew, comfyui, workflow("vi_long_run"), "99", wire) as task:
        await until(comfyui.is_rendering, "a render")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert wire.verbs == ["heartbeat", "requeue"]


async def test_a_stop_while_the_completion_is_answered_puts_nothing_back(crew: Crew, comfyui: StandIn) -> None:
    wire = Wire()
    wire.answering.clear()
    async with running(crew, comfyui, plain_image("a"), "2", wire) as task:
        await until(lambda: "complete" in wire.verbs, "the completion")
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        wire.answering.set()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert wire.verbs == ["heartbeat", "complete"]


async def test_a_stop_while_the_last_heartbeat_ends_puts_nothing_back(crew: Crew, comfyui: StandIn) -> None:
    wire = Wire()
    wire.letting_go.clear()
    async with running(crew, comfyui, plain_image("a"), "2", wire) as task:
        await until(lambda: wire.is_dropped, "the end of the heartbeats")
        task.cancel()
        wire.letting_go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert wire.verbs == ["heartbeat", "complete"]


async def test_a_stop_at_any_step_after_the_completion_puts_nothing_back(crew: Crew, comfyui: StandIn) -> None:
    for steps in range(_MOST_STEPS):
        wire = Wire()
        async with running(crew, comfyui, plain_image("a"), "2", wire) as task:
            wire.on_complete = _in_steps(steps, task.cancel)
            await asyncio.wait({task})
            assert wire.verbs == ["heartbeat", "complete"], f"stopped {steps} steps after the completion"
            if not task.cancelled():
                return
    pytest.fail(f"a job takes more than {_MOST_STEPS} steps after its completion")


def _in_steps(steps: int, act: Callable[[], object]) -> Callable[[], None]:
    """Return what calls `act` after so many steps of the event loop."""

    def step(left: int) -> None:
        if left == 0:
            act()
        else:
            asyncio.get_running_loop().call_soon(step, left - 1)

    return lambda: step(steps)
