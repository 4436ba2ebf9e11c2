"""ComfyUI's events over WebSocket. They may stop at any time: nobody may rely on hearing them."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from comfyfleet.worker.backoff import Backoff

log = logging.getLogger(__name__)

Event: TypeAlias = dict[str, Any]

_CONNECT_SECONDS: Final = 2.0
_PING_TIMEOUT_SECONDS: Final = 60.0
"""ComfyUI answers no ping while a node holds Python's lock."""
_MOST_BYTES: Final = 64 * 1024 * 1024
"""Previews come as binary messages of some megabytes; they are thrown away."""


@asynccontextmanager
async def listening(
    base_url: str, client_id: str, on_event: Callable[[Event], None], on_silence: Callable[[], None]
) -> AsyncIterator[None]:
    """Hear the events for `client_id` while the block runs, connecting again whenever the connection breaks.

    The first attempt to connect is waited for a moment; if it fails the block runs all the same and hears nothing yet.
    `on_silence` is called whenever a connection has broken.
    """
    has_tried = asyncio.Event()
    address = f"ws{base_url.removeprefix('http')}/ws?clientId={client_id}"
    task = asyncio.create_task(_listen(address, on_event, on_silence, has_tried), name="comfyui events")
    try:
        await _wait_a_moment(has_tried)
        yield
    finally:
        task.cancel()
        (end,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(end, Exception):
            log.error("listening to ComfyUI ended with an error", exc_info=end)


async def _listen(
    address: str, on_event: Callable[[Event], None], on_silence: Callable[[], None], has_tried: asyncio.Event
) -> None:
    backoff = Backoff(0.2, 5)
    while True:
        try:
            async with connect(
                address,
                proxy=None,
                compression=None,
                max_size=_MOST_BYTES,
                ping_timeout=_PING_TIMEOUT_SECONDS,
                close_timeout=1,
            ) as socket:
                has_tried.set()
                backoff.reset()
                async for message in socket:
                    if isinstance(message, str) and (event := _parsed(message)) is not None:
                        on_event(event)
        except (OSError, TimeoutError, WebSocketException) as error:
            log.debug("no events from ComfyUI: %s", error)
        has_tried.set()
        on_silence()
        await asyncio.sleep(backoff.next_seconds())


async def _wait_a_moment(has_tried: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            await has_tried.wait()
    except TimeoutError:
        log.info("ComfyUI's events cannot be heard yet; its history is asked instead")


def _parsed(message: str) -> Event | None:
    try:
        event = json.loads(message)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None
