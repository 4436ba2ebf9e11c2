"""One operation as it runs: a thread that does it, and a task that writes down what it says."""

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from comfyfleet.core.errors import FleetError
from comfyfleet.core.operations import OperationKind, OperationStatus, after_cancel, after_interruption
from comfyfleet.core.texts import storable
from comfyfleet.ops.canary import Bench
from comfyfleet.ops.tools import Cloud
from comfyfleet.server.models import Operation
from comfyfleet.server.operations import service
from comfyfleet.server.wiring import Wiring
from comfyfleet.web.operating.log import Log
from comfyfleet.web.operating.stopping import Stop
from comfyfleet.web.operating.verbs import Prepared

log = logging.getLogger(__name__)

_TELL_SECONDS: Final = 1.0


@dataclass(frozen=True)
class _End:
    status: OperationStatus
    words: str
    receipt: dict[str, Any]


class Run:
    """Carries out a prepared verb; `stop` ends it early."""

    def __init__(self, wiring: Wiring, operation: Operation, prepared: Prepared, cloud: Cloud, bench: Bench) -> None:
        self._wiring = wiring
        self._id, self._kind = operation.id, OperationKind(operation.kind)
        self._prepared = prepared
        self._bench = bench
        self.stop = Stop()
        self._log = Log(self.stop, wiring.clock)
        self._cloud = replace(cloud, sleep=self.stop.within(cloud.sleep))
        self._asked_by: str | None = None
        self._end: _End | None = None
        self._over = asyncio.Event()

    async def follow(self) -> None:
        """Run it to its end; a database that is away meanwhile is told later."""
        loop = asyncio.get_running_loop()
        thread = threading.Thread(
            target=self._work, args=(lambda: loop.call_soon_threadsafe(self._over.set),), name=f"operation {self._id}"
        )
        thread.daemon = True  # a control plane that is told to end does not wait for hours
        thread.start()
        said: list[service.NewLine] = []
        while not self._over.is_set():
            await self._wait()
            said = await self._tell(said + self._log.take())
        await self._write_end(said + self._log.take())

    async def abandon(self) -> None:
        """Note that it is left to itself, since this process ends."""
        words = after_interruption(self._kind)
        try:
            async with self._wiring.sessions.begin() as session:
                await service.tell(session, self._id, self._log.take(), self._wiring.clock())
                await service.end(session, self._id, OperationStatus.INTERRUPTED, words, {}, self._wiring.clock())
        except (SQLAlchemyError, OSError) as error:
            log.warning("operation %d was left, and nobody was told: %s", self._id, error)

    def _work(self, on_end: Callable[[], object]) -> None:
        try:
            outcome = self._prepared.run(self._cloud, self._log, self._bench)
            status = OperationStatus.SUCCEEDED if outcome.is_success else OperationStatus.FAILED
            self._end = _End(status, storable(outcome.words), outcome.receipt)
        except KeyboardInterrupt:
            self._end = _End(OperationStatus.CANCELED, after_cancel(self._kind, self._asked_by), {})
        except FleetError as error:
            self._end = _End(OperationStatus.FAILED, storable(str(error)), {"code": error.code})
        except Exception:
            log.exception("operation %d failed by a fault of ours", self._id)
            words = "It failed by a fault of comfyfleet's own, which the control plane's log has."
            self._end = _End(OperationStatus.FAILED, words, {})
        on_end()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(_TELL_SECONDS):
                await self._over.wait()
        except TimeoutError:
            return

    async def _tell(self, said: list[service.NewLine]) -> list[service.NewLine]:
        """Write down what was said; return what could not be."""
        try:
            async with self._wiring.sessions.begin() as session:
                self._asked_by = await service.tell(session, self._id, said, self._wiring.clock())
        except (SQLAlchemyError, OSError) as error:
            log.warning("what operation %d says is not written down yet: %s", self._id, error)
            return said
        if self._asked_by:
            self.stop.ask()
        return []

    async def _write_end(self, said: list[service.NewLine]) -> None:
        """Write down the end, however long the database is away."""
        end = self._end or _End(OperationStatus.FAILED, "It ended without a word.", {})
        while True:
            try:
                async with self._wiring.sessions.begin() as session:
                    await service.tell(session, self._id, said, self._wiring.clock())
                    await service.end(session, self._id, end.status, end.words, end.receipt, self._wiring.clock())
            except (SQLAlchemyError, OSError) as error:
                log.warning("the end of operation %d is not written down yet: %s", self._id, error)
                await asyncio.sleep(_TELL_SECONDS)
            else:
                return
