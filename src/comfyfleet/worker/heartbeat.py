"""Signs of life of one job, which keep its lease, carry its progress, and bring back the user's cancel."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from comfyfleet.client.errors import Refused, Unreachable
from comfyfleet.client.worker import WorkerApi
from comfyfleet.protocol.worker import Heartbeat, HeartbeatRequest, Lease, Progress
from comfyfleet.worker.backoff import Backoff
from comfyfleet.worker.delivery import as_lease_lost
from comfyfleet.worker.errors import CancelRequested, LeaseLost

log = logging.getLogger(__name__)

T = TypeVar("T")

_FIRST_NEWS_SECONDS: Final = 0.25
_NEWS_FRACTION: Final = 0.2
"""New progress is told after this part of the interval, and sooner at first, so that a short render shows some."""


class Pulse:
    """What the heartbeats of one job tell: its last progress. While it is delivered, only `complete` may end it.

    `stop_reason` is set before the job's task is cancelled, and tells why it is put back.
    """

    def __init__(self) -> None:
        self.progress: Progress | None = None
        self.is_delivering = False
        self.stop_reason: str | None = None
        self._has_news = asyncio.Event()
        self._news_seconds = _FIRST_NEWS_SECONDS

    def tell(self, progress: Progress) -> None:
        """Note how far the job is."""
        self.progress = progress
        self._has_news.set()

    async def pause(self, interval_seconds: float) -> None:
        """Wait until the next heartbeat is due: a whole interval, or a part of it when there is news."""
        news_seconds = min(self._news_seconds, interval_seconds * _NEWS_FRACTION)
        self._news_seconds *= 2
        await asyncio.sleep(news_seconds)
        try:
            async with asyncio.timeout(interval_seconds - news_seconds):
                await self._has_news.wait()
        except TimeoutError:
            return
        self._has_news.clear()


async def under_lease(
    api: WorkerApi, lease: Lease, pulse: Pulse, interval_seconds: float, work: Coroutine[Any, Any, T]
) -> T:
    """Do `work` while heartbeats keep the lease, and return what it returns.

    Raises:
        LeaseLost, CancelRequested: A heartbeat said so; the work was cancelled, and has cleaned up.
    """
    working = asyncio.create_task(work)
    beating = asyncio.create_task(_beat(api, lease, pulse, interval_seconds))
    try:
        await asyncio.wait({working, beating}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            beating.result()  # raises, unless only the delivery can tell how it ends
        return await working
    finally:
        for task in (working, beating):
            task.cancel()
        await asyncio.gather(working, beating, return_exceptions=True)


async def _beat(api: WorkerApi, lease: Lease, pulse: Pulse, interval_seconds: float) -> None:
    """Send heartbeats, the first at once. Ends in silence when `complete` will hear what became of the job."""
    backoff = Backoff(min(0.5, interval_seconds), min(3, interval_seconds))
    while True:
        try:
            answer = await _send(api, lease, pulse)
        except Unreachable as error:
            log.warning("job %d: heartbeat not heard: %s", lease.dispatch_id, error.message)
            await asyncio.sleep(backoff.next_seconds())
            continue
        except LeaseLost:
            if pulse.is_delivering:
                return
            raise
        backoff.reset()
        if answer is not None and answer.cancel_requested and not pulse.is_delivering:
            raise CancelRequested("The job was canceled.")
        await pulse.pause(interval_seconds)


async def _send(api: WorkerApi, lease: Lease, pulse: Pulse) -> Heartbeat | None:
    """Send one heartbeat; return None when it is refused for a reason that says nothing about the lease."""
    request = HeartbeatRequest(dispatch_id=lease.dispatch_id, lease_token=lease.lease_token, progress=pulse.progress)
    try:
        return await api.heartbeat(request)
    except Refused as error:
        if (lost := as_lease_lost(error)) is not None:
            raise lost from error
        log.warning("job %d: heartbeat refused: %s", lease.dispatch_id, error.message)
        return None
