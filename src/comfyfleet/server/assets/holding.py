"""Our hold on an upload: renewed while we work on it, so that no other control plane does the same work."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Final

from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.server.assets import upload_repository
from comfyfleet.server.models import AssetUpload
from comfyfleet.server.wiring import Wiring

log = logging.getLogger(__name__)

LEASE: Final = timedelta(seconds=60)
_RENEW_SECONDS: Final = 2.0  # often, for with it goes the progress that people look at


class HoldLost(Exception):
    """The upload is another's by now, or was cancelled: whatever we found out of it counts no more."""


class Hold:
    """A claimed upload. Every write renews the lease, and is refused when somebody else has taken the upload since.

    A write that sets `lease_expires_at` itself is the last one.
    """

    def __init__(self, wiring: Wiring, upload: AssetUpload) -> None:
        self.upload = upload
        self._wiring = wiring
        self._until = upload.lease_expires_at
        self._verified_bytes = upload.verified_bytes
        self._is_lost = False
        self._is_over = False
        self._is_done = asyncio.Event()
        self._one_write = asyncio.Lock()

    def verified(self, size: int) -> None:
        """Note how many bytes were read, to be written with the next renewal; raise `HoldLost` when it is in vain."""
        self._verified_bytes = size
        self.check()

    def check(self) -> None:
        """Raise `HoldLost` when all further work is in vain."""
        if self._is_lost:
            raise HoldLost

    async def change(self, **values: Any) -> None:
        """Write columns of the upload; raise `HoldLost` when it is no longer ours."""
        async with self.transaction(**values):
            pass

    @contextlib.asynccontextmanager
    async def transaction(self, **values: Any) -> AsyncIterator[AsyncSession]:
        """Write columns of the upload in one transaction with what the caller writes; raise `HoldLost` as above."""
        async with self._one_write:
            if self._is_over:
                raise HoldLost
            now = self._wiring.clock()
            written = {"lease_expires_at": now + LEASE, "touched_at": now, **values}
            async with self._wiring.sessions.begin() as session:
                if not await upload_repository.change_held(session, self.upload.id, self._until, **written):
                    self._is_lost = True
                    raise HoldLost
                yield session
            self._until = written["lease_expires_at"]
            self._is_over = "lease_expires_at" in values
            for name, value in written.items():
                setattr(self.upload, name, value)

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Renew now and then while the caller works. One that is stopped gives the upload back at once."""
        keeper = asyncio.create_task(self._keep())
        try:
            yield
        except asyncio.CancelledError:
            with contextlib.suppress(HoldLost):
                await self.change(lease_expires_at=None)
            raise
        finally:
            self._is_done.set()
            await keeper

    async def _keep(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_RENEW_SECONDS):
                    await self._is_done.wait()
                return
            try:
                await self.change(verified_bytes=self._verified_bytes)
            except HoldLost:
                return
            except (DBAPIError, InterfaceError, OSError) as error:
                log.warning("the hold on the upload %s could not be renewed: %s", self.upload.id, error)
