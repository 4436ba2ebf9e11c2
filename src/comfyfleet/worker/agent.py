"""The loop of a worker: lease when there is room, render, and leave in good order."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final

from comfyfleet.client.errors import Refused, Unreachable
from comfyfleet.protocol.worker import DeregisterRequest, LeasedJob, PollRequest
from comfyfleet.worker.backoff import Backoff
from comfyfleet.worker.bootstrap import join_fleet, wait_for_comfyui
from comfyfleet.worker.errors import ComfyUIUnreachable
from comfyfleet.worker.pipeline import STOP_REASON, put_back
from comfyfleet.worker.reporting import Reporter
from comfyfleet.worker.running_jobs import RunningJobs
from comfyfleet.worker.tools import Tools
from comfyfleet.worker.watch import Watch

log = logging.getLogger(__name__)

_DEREGISTER_SECONDS: Final = 2.0
_ANSWER_SECONDS: Final = 5.0
_TOKEN_ENDED: Final = frozenset({401, 403})


class Agent:
    """One worker from registering to leaving."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._jobs = RunningJobs(tools, self._on_change)
        self._watch = _watch(tools, self._jobs)
        self._backoff = Backoff(tools.settings.poll_interval_seconds)
        self._worker_id = tools.settings.worker_id
        self._reporter = Reporter(tools)
        self._beside: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Lease and render until cancelled or until the machine goes; then put back what is unfinished and deregister.

        Raises:
            Refused: The control plane does not let this worker in.
        """
        try:
            # First of all: a machine whose ComfyUI never answers has to hear, too, that it may go.
            if self._watch is not None:
                self._beside.append(asyncio.create_task(self._watch.run(), name="watch"))
            if await self._before_departure(self._join()):
                self._beside.append(asyncio.create_task(self._reporter.run(), name="reporter"))
                await self._work()
                await self._jobs.wait_for_all()
        finally:
            await self._leave()
        await self._go()

    async def _work(self) -> None:
        """Lease and start jobs until the machine is to go."""
        while (
            await self._before_departure(self._jobs.wait_for_room())
            # Without ComfyUI jobs would fail one after the other.
            and await self._before_departure(wait_for_comfyui(self._tools.comfyui))
        ):
            if self._watch is not None and self._watch.notice is not None:
                await self._before_departure(asyncio.sleep(self._tools.settings.poll_interval_seconds))
                continue
            job = await self._lease_or_depart()
            if job is not None:
                self._jobs.start(job)

    async def _before_departure(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do something unless the machine is to go before it is done; return whether it was done."""
        if self._watch is None:
            await work
            return True
        doing, departing = asyncio.ensure_future(work), asyncio.ensure_future(self._watch.departing.wait())
        try:
            await asyncio.wait({doing, departing}, return_when=asyncio.FIRST_COMPLETED)
            if doing.done() and not self._watch.departing.is_set():
                await doing
                return True
            return False
        finally:
            doing.cancel()
            departing.cancel()
            await asyncio.gather(doing, departing, return_exceptions=True)

    async def _lease_or_depart(self) -> LeasedJob | None:
        """Ask for a job. An answer that is under way when the machine is to go may bring one, which is put back."""
        asking = asyncio.create_task(self._lease(), name="lease")
        try:
            is_done = await self._before_departure(_over(asking))
            if not is_done:
                await asyncio.wait({asking}, timeout=self._tools.settings.poll_wait_seconds + _ANSWER_SECONDS)
            job = await asking if asking.done() else None
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        if job is not None and not is_done:
            await put_back(self._tools, job, self._reason)
            return None
        return job

    async def _go(self) -> None:
        """Let the group end this machine, and wait for that: a worker that started again would take jobs again."""
        if self._tools.machine is None:
            return
        await self._tools.machine.membership.finish()
        log.info("this machine goes; nothing is left to do")
        await asyncio.Event().wait()

    def _on_change(self) -> None:
        if self._watch is not None:
            self._watch.wake()

    async def _join(self) -> None:
        while True:
            try:
                registration = await join_fleet(self._tools)
            except ComfyUIUnreachable as error:
                log.warning("ComfyUI went away while this worker registered: %s", error.message)
            else:
                self._worker_id = registration.worker_id
                return

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

    async def _leave(self) -> None:
        await self._jobs.put_all_back(STOP_REASON)
        for task in self._beside:
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        await self._reporter.last_words()
        if self._tools.api.is_registered:
            await self._deregister()

    @property
    def _reason(self) -> str:
        notice = self._watch.notice if self._watch else None
        return notice.kind if notice is not None and notice.is_departure else STOP_REASON

    async def _deregister(self) -> None:
        try:
            async with asyncio.timeout(_DEREGISTER_SECONDS):
                await self._tools.api.deregister(DeregisterRequest(reason=self._reason))
        except Refused as error:
            log.warning("not deregistered: %s", error.message)
        except (Unreachable, TimeoutError) as error:
            log.warning("not deregistered, the control plane does not answer: %s", str(error) or "no answer in time")
        else:
            log.info("deregistered")


def _watch(tools: Tools, jobs: RunningJobs) -> Watch | None:
    if tools.machine is None:
        return None
    return Watch(tools.machine, jobs, look_seconds=tools.settings.notice_interval_seconds)


async def _over(task: asyncio.Task[Any]) -> None:
    """Wait until a task is over; being cancelled leaves it alone."""
    await asyncio.wait({task})
