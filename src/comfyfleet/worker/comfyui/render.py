"""Rendering one prompt: the WebSocket says when to look, history says what happened.

No signal is trusted alone. Events get lost, a socket goes silent, a process dies with its port open, and a
restarted ComfyUI knows nothing of the prompt: so history is asked every two seconds whatever is heard.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from comfyfleet.core.graphs import Graph
from comfyfleet.protocol.worker import Progress
from comfyfleet.worker.comfyui.client import ComfyUI
from comfyfleet.worker.comfyui.events import Event, listening
from comfyfleet.worker.comfyui.progress import Heard, ProgressCounter
from comfyfleet.worker.errors import ComfyUISilent, ComfyUIUnreachable, PromptLost, RenderTimedOut
from comfyfleet.worker.outcome.history import failure

log = logging.getLogger(__name__)

OnProgress = Callable[[Progress], None]

_WITHDRAW_SECONDS: Final = 3.0
_LOSSES_TO_BELIEVE: Final = 2


@dataclass(frozen=True)
class Patience:
    """How long a prompt may run, how long ComfyUI may be gone or silent meanwhile, and how often to look."""

    render_seconds: float = 3600
    gone_seconds: float = 5
    silent_seconds: float = 120
    look_seconds: float = 2


@dataclass(frozen=True)
class Rendered:
    """A prompt that history calls a success: its id and its history entry."""

    prompt_id: str
    entry: dict[str, Any]


async def render(
    comfyui: ComfyUI,
    graph: Graph,
    prompt_id: str,
    on_progress: OnProgress,
    *,
    owner: Mapping[str, str],
    patience: Patience,
) -> Rendered:
    """Run a prompt to its end. However this function ends without a result, the prompt is withdrawn.

    Raises:
        PromptInvalid, ExecutionFailed, OutOfMemory, Interrupted: ComfyUI's own reason.
        PromptLost, RenderTimedOut, ComfyUIUnreachable: ComfyUI did not bring it to an end.
    """
    watch = _Watch(graph, on_progress)
    client_id = uuid4().hex
    try:
        async with listening(comfyui.base_url, client_id, watch.hear, watch.look_now):
            prompt_id = await comfyui.submit(graph, prompt_id, client_id, owner)
            entry = await _ended(comfyui, prompt_id, watch, patience)
    except BaseException:
        await _withdraw(comfyui, prompt_id)
        raise
    if (reason := failure(entry)) is not None:
        raise reason
    return Rendered(prompt_id, entry)


class _Watch:
    """What was heard of one prompt. Its client id is its own, so that every event is about it."""

    def __init__(self, graph: Graph, on_progress: OnProgress) -> None:
        self._counter = ProgressCounter(graph)
        self._on_progress = on_progress
        self._look = asyncio.Event()
        self._soon: float | None = None

    def hear(self, event: Event) -> None:
        heard = self._counter.hear(event)
        if heard is Heard.PROGRESS:
            self._on_progress(self._counter.progress)
        elif heard is Heard.END:
            self.look_now()

    def look_now(self) -> None:
        """Make the next waits short: history is written some milliseconds after the event that ends a prompt."""
        self._soon = 0.005
        self._look.set()

    async def wait(self, longest_seconds: float) -> None:
        """Wait until there may be something to see."""
        seconds = longest_seconds
        if self._soon is not None:
            seconds, self._soon = min(self._soon, longest_seconds), self._soon * 2
            self._soon = None if self._soon > longest_seconds else self._soon
        try:
            async with asyncio.timeout(seconds):
                await self._look.wait()
        except TimeoutError:
            return
        self._look.clear()


async def _ended(comfyui: ComfyUI, prompt_id: str, watch: _Watch, patience: Patience) -> dict[str, Any]:
    """Return the history entry of a prompt as soon as there is one."""
    clock = asyncio.get_running_loop().time
    answered_at = runs_since = clock()
    losses = 0
    while True:
        await watch.wait(patience.look_seconds)
        try:
            # The queue first: a prompt goes from there into history in one step, so that it cannot be missed.
            queued = (await comfyui.queue()).get(prompt_id)
            entry = await comfyui.history(prompt_id)
        except ComfyUIUnreachable as error:
            longest = patience.silent_seconds if isinstance(error, ComfyUISilent) else patience.gone_seconds
            if clock() - answered_at > longest:
                raise
            continue
        if entry is not None:
            return entry
        answered_at = clock()
        losses = 0 if queued else losses + 1
        if losses >= _LOSSES_TO_BELIEVE:
            raise PromptLost("ComfyUI was restarted and lost the render.")
        if queued and not queued.is_running:
            runs_since = clock()
        elif clock() - runs_since > patience.render_seconds:
            raise RenderTimedOut(f"The render took more than {patience.render_seconds:.0f} s and was interrupted.")


async def _withdraw(comfyui: ComfyUI, prompt_id: str) -> None:
    try:
        async with asyncio.timeout(_WITHDRAW_SECONDS):
            await comfyui.withdraw(prompt_id)
    except (ComfyUIUnreachable, TimeoutError) as error:
        log.warning("prompt %s could not be withdrawn: %s", prompt_id, str(error) or "no answer in time")
