"""The loop of a worker: lease when there is room, render, and leave in good order."""

import asyncio
import logging
from typing import Final

from comfyfleet.client.errors import Refused, Unreachable
from comfyfleet.protocol.worker import DeregisterRequest, LeasedJob, PollRequest
from comfyfleet.worker.backoff import Backoff
from comfyfleet.worker.bootstrap import join_fleet, wait_for_comfyui
from comfyfleet.worker.errors import ComfyUIUnreachable
from comfyfleet.worker.pipeline import STOP_REASON, run_job
from comfyfleet.worker.reporting import Reporter
from comfyfleet.worker.tools import Tools

log = logging.getLogger(__name__)

_LEAVE_SECONDS: Final = 7.0
_DEREGISTER_SECONDS: Final = 2.0
_TOKEN_ENDED: Final = frozenset({401, 403})


class Agent:
    """One worker from registering to leaving."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._jobs: set[asyncio.Task[None]] = set()
        self._backoff = Backoff(tools.settings.poll_interval_seconds)
        self._worker_id = tools.settings.worker_id
        self._reporter = Reporter(tools)
        self._reporting: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Lease and render until cancelled; then put back what is unfinished and deregister.

        Raises:
            Refused: The control plane does not let this worker in.
        """
        try:
            await self._join()
            self._reporting = asyncio.create_task(self._reporter.run(), name="reporter")
            while True:
                await self._wait_for_room()
                await wait_for_comfyui(self._tools.comfyui)  # or its jobs would fail one after the other
                job = await self._lease()
                if job is not None:
                    self._start(job)
        finally:
            await self._leave()

    async def _join(self) -> None:
        while True:
            try:
                registration = await join_fleet(self._tools)
            except ComfyUIUnreachable as error:
                log.warning("ComfyUI went away while this worker registered: %s", error.message)
            else:
                self._worker_id = registration.worker_id
                return

    async def _wait_for_room(self) -> None:
        while len(self._jobs) >= self._tools.settings.max_concurrency:
            await asyncio.wait(self._jobs, return_when=asyncio.FIRST_COMPLETED)

    async def _lease(self) -> LeasedJob | None:
        """Ask for a job once; whatever comes in between is followed by a pause."""
        clock = asyncio.get_running_loop().time
        settings = self._tools.settings
        asked_at = clock()
        try:
            poll = await self._tools.api.poll(self._question())
        except Unreachable as error:
            log.warning("%s", error.message)
            await asyncio.sleep(self._backoff.next_seconds())
            return None
        except Refused as error:
            await self._after_refusal(error)
            return None
        self._backoff.reset()
        is_held = clock() - asked_at >= settings.poll_wait_seconds / 2
        if poll.job is None and (poll.is_draining or not is_held or settings.poll_wait_seconds == 0):
            await asyncio.sleep(settings.poll_interval_seconds)
        return poll.job

    def _question(self) -> PollRequest:
        settings = self._tools.settings
        return PollRequest(
            worker_id=self._worker_id,
            current_load=len(self._jobs),
            max_concurrency=settings.max_concurrency,
            wait_seconds=settings.poll_wait_seconds,
        )

    async def _after_refusal(self, error: Refused) -> None:
        log.warning("the control plane refused to give work: %s %s", error.message, error.hint)
        await asyncio.sleep(self._backoff.next_seconds())
        if error.status in _TOKEN_ENDED:
            log.warning(
                "registering again; if this repeats, another worker uses the same WORKER_ID %s", self._worker_id
            )
            await self._join()

    def _start(self, job: LeasedJob) -> None:
        task = asyncio.create_task(run_job(self._tools, job), name=f"job {job.job_id}")
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)

    async def _leave(self) -> None:
        for task in self._jobs:
            task.cancel()
        if self._jobs:
            await asyncio.wait(self._jobs, timeout=_LEAVE_SECONDS)
        if self._reporting is not None:
            self._reporting.cancel()
            await asyncio.gather(self._reporting, return_exceptions=True)
            await self._reporter.last_words()
        if self._tools.api.is_registered:
            await self._deregister()

    async def _deregister(self) -> None:
        try:
            async with asyncio.timeout(_DEREGISTER_SECONDS):
                await self._tools.api.deregister(DeregisterRequest(reason=STOP_REASON))
        except Refused as error:
            log.warning("not deregistered: %s", error.message)
        except (Unreachable, TimeoutError) as error:
            log.warning("not deregistered, the control plane does not answer: %s", str(error) or "no answer in time")
        else:
            log.info("deregistered")
