"""The background tasks that bring imports and verify uploads, as many at once as disk and network are good for."""

import asyncio
import contextlib
import logging
from typing import Final

from sqlalchemy.exc import DBAPIError, InterfaceError

from comfyfleet.protocol.library import UploadState
from comfyfleet.server.assets import importing, upload_repository
from comfyfleet.server.assets.arrival import verify
from comfyfleet.server.assets.holding import LEASE, Hold, HoldLost
from comfyfleet.server.models import AssetUpload
from comfyfleet.server.wiring import Wiring

log = logging.getLogger(__name__)

_AT_ONCE: Final = 2
_WORK: Final = {UploadState.RECEIVING: importing.bring, UploadState.VERIFYING: verify}
"""Imports have their own tasks: a slow host keeps no upload waiting."""


class Arrivals:
    """Looks for uploads that need us: when woken, and now and then for what a process that died has left."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._wakes = {state: asyncio.Event() for state in _WORK}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to look."""
        self._tasks = [asyncio.create_task(self._work(state)) for state in _WORK for _ in range(_AT_ONCE)]

    async def stop(self) -> None:
        """Stop looking. What was begun is gone on with by whoever looks next."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def wake(self) -> None:
        """Look now: there is an upload to verify or an import to bring."""
        for event in self._wakes.values():
            event.set()

    async def _work(self, state: UploadState) -> None:
        wake = self._wakes[state]
        while True:
            wake.clear()  # before the look: who wakes us after it has something that the look may have missed
            try:
                upload = await self._claim(state)
            except (DBAPIError, InterfaceError, OSError) as error:
                log.warning("the database could not be reached, trying again: %s", error)
                upload = None
            if upload is not None:
                await self._bring_on(upload)
                self.wake()  # what was brought is to be verified
                continue
            with contextlib.suppress(TimeoutError):
                # Not `wait_for`: until Python 3.12 it drops a cancellation that comes together with what it waits for.
                async with asyncio.timeout(self._wiring.settings.maintenance_interval_seconds):
                    await wake.wait()

    async def _claim(self, state: UploadState) -> AssetUpload | None:
        now = self._wiring.clock()
        async with self._wiring.sessions.begin() as session:
            return await upload_repository.claim(session, state, now, now + LEASE)

    async def _bring_on(self, upload: AssetUpload) -> None:
        """Work on one upload as a task of its own: what it dies of ends nothing else, and it is tried again later."""
        task = asyncio.create_task(_bring_on(self._wiring, Hold(self._wiring, upload)), name=f"arrival-{upload.id}")
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if error := task.exception():
            log.error("the upload %s stopped at an error, and is tried again", upload.id, exc_info=error)


async def _bring_on(wiring: Wiring, hold: Hold) -> None:
    try:
        async with hold.kept():
            await _WORK[UploadState(hold.upload.state)](wiring, hold)
    except HoldLost:
        log.info("the upload %s is somebody else's now, or was canceled", hold.upload.id)
