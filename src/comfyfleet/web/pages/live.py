"""The stream by which admin pages learn that something changed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from comfyfleet.server.auth.dependencies import Viewer, WiringDep
from comfyfleet.server.notifier import EVERYTHING, wait_for
from comfyfleet.server.wiring import Wiring

router = APIRouter(include_in_schema=False)

_AT_MOST_EVERY_SECONDS: Final = 1.0
_AT_LEAST_EVERY_SECONDS: Final = 10.0
"""Times such as "5 min ago" and the places in queues change by themselves."""


@router.get("/admin/live")
async def stream_changes(request: Request, _viewer: Viewer, wiring: WiringDep) -> StreamingResponse:
    """Send `changed` whenever a job, a worker or a fleet changed, at most once a second."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_changes(request, wiring), media_type="text/event-stream", headers=headers)


async def _changes(request: Request, wiring: Wiring) -> AsyncIterator[str]:
    yield "retry: 2000\n\n"
    with wiring.notifier.subscription(EVERYTHING) as changed:
        while not wiring.notifier.is_stopped and not await request.is_disconnected():
            changed.clear()
            await wait_for(changed, _AT_LEAST_EVERY_SECONDS)
            yield "event: changed\ndata:\n\n"
            await asyncio.sleep(_AT_MOST_EVERY_SECONDS)
