"""The background task that verifies uploads, as many at once as are good for the disk and the network."""

import asyncio
import contextlib
import logging
from typing import Final

from sqlalchemy.exc import DBAPIError, InterfaceError

from comfyfleet.server.assets import upload_repository
from comfyfleet.server.assets.arrival import LEASE, verify
from comfyfleet.server.assets.importing import bring_remote
from comfyfleet.server.models import AssetUpload
from comfyfleet.server.wiring import Wiring

log = logging.getLogger(__name__)

_AT_ONCE: Final = 2


class Arrivals:
    """Looks for uploads that need us: when woken, and now and then for what a process that died has left."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to look."""
        self._tasks = [asyncio.create_task(self._work(), name=f"arrivals-{number}") for number in range(_AT_ONCE)]

    async def stop(self) -> None:
        """Stop looking. What was begun is gone on with by whoever looks next."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def wake(self) -> None:
        """Look now: an upload is complete."""
        self._wake.set()

    async def _work(self) -> None:
        while True:
            try:
                upload = await self._claim()
                if upload is not None:
                    await self._bring_on(upload)
                    continue
            except (DBAPIError, InterfaceError, OSError) as error:
                log.warning("the database could not be reached, trying again: %s", error)
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._wiring.settings.maintenance_interval_seconds)

    async def _claim(self) -> AssetUpload | None:
        now = self._wiring.clock()
        async with self._wiring.sessions.begin() as session:
            return await upload_repository.claim(session, now, now + LEASE)

    async def _bring_on(self, upload: AssetUpload) -> None:
        if upload.import_url is not None and upload.state == "receiving":
            upload = await bring_remote(self._wiring, upload) or upload
        if upload.state == "verifying":
            await verify(self._wiring, upload)
