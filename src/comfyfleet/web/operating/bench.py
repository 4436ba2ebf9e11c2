"""This control plane as a verb's thread asks it, in place of a call over HTTP."""

import asyncio
import contextlib
from collections.abc import Coroutine, Mapping
from typing import Any, Final, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from comfyfleet.core.errors import Unavailable
from comfyfleet.core.jobs import JobFinished
from comfyfleet.core.properties import Scalar
from comfyfleet.core.workers import WorkerStatus
from comfyfleet.protocol.jobs import JobDetail
from comfyfleet.protocol.workflows import NewTestRun
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.jobs import administration
from comfyfleet.server.jobs.detail import detail
from comfyfleet.server.jobs.testing import run_test
from comfyfleet.server.wiring import Wiring
from comfyfleet.server.workers import repository as workers

Answer = TypeVar("Answer")

_ANSWER_SECONDS: Final = 60


class OwnPlaneAway(Unavailable):
    """The control plane that carries out a verb cannot be asked by it at present."""

    code = "own_plane_away"


class OwnBench:
    """Runs tests for an operator in the control plane's own loop; see `ops.canary.Bench`."""

    def __init__(self, wiring: Wiring, operator: Principal, loop: asyncio.AbstractEventLoop) -> None:
        self._wiring = wiring
        self._operator = operator
        self._loop = loop

    def worker_status(self, instance_id: str) -> WorkerStatus | None:
        """Return the state of a machine's worker."""
        return self._ask(self._worker_status(instance_id))

    def run_test(self, workflow: str, fleet: str, values: Mapping[str, Scalar]) -> int:
        """Queue a workflow on a fleet."""
        new = NewTestRun(fleet=fleet, values=dict(values))
        return self._ask(run_test(self._wiring, self._operator, workflow, new)).id

    def job(self, job_id: int) -> JobDetail:
        """Return a job; its files' URLs are paths where storage is a disk."""
        return self._ask(self._job(job_id))

    def drop(self, job_id: int) -> None:
        """Cancel a job, unless it has ended."""
        self._ask(self._drop(job_id))

    def _ask(self, question: Coroutine[Any, Any, Answer]) -> Answer:
        try:
            return asyncio.run_coroutine_threadsafe(question, self._loop).result(_ANSWER_SECONDS)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise OwnPlaneAway("The control plane's own database or storage does not answer.") from error

    async def _worker_status(self, instance_id: str) -> WorkerStatus | None:
        async with self._wiring.sessions.begin() as session:
            found = await workers.with_fleet(session, instance_id)
        return WorkerStatus(found[0].status) if found else None

    async def _job(self, job_id: int) -> JobDetail:
        async with self._wiring.sessions.begin() as session:
            job = await administration.find(session, job_id)
            return await detail(session, self._wiring, job, lambda path: path)

    async def _drop(self, job_id: int) -> None:
        async with self._wiring.sessions.begin() as session:
            with contextlib.suppress(JobFinished):
                await administration.cancel(session, self._wiring, self._operator, job_id)
