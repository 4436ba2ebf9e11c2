"""Looks whether this machine is to go, and sees to it that its jobs end well before it does."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from comfyfleet.core.departures import Notice, NoticeKind, must_go_back, read_notice
from comfyfleet.worker.cloud_machine import CloudMachine
from comfyfleet.worker.metadata import MetadataUnreachable
from comfyfleet.worker.running_jobs import RunningJobs

log = logging.getLogger(__name__)

_WORDS: Final = {
    NoticeKind.SPOT: "this spot machine is taken away",
    NoticeKind.SCALE_IN: "the group lets this machine go",
    NoticeKind.REBALANCE: "this spot machine may be taken away soon: it takes no new job",
}


class Watch:
    """Runs beside the agent. `notice` is the gravest word so far; `departing` is set when the machine goes."""

    def __init__(
        self,
        machine: CloudMachine,
        jobs: RunningJobs,
        *,
        look_seconds: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._machine = machine
        self._jobs = jobs
        self._look_seconds = look_seconds
        self._now = now
        self._is_heard = True
        self._look_news, self._job_news = asyncio.Event(), asyncio.Event()
        self.notice: Notice | None = None
        self.departing = asyncio.Event()

    def wake(self) -> None:
        """Look at once: a job began or ended, so the protection changes."""
        self._look_news.set()
        self._job_news.set()

    async def run(self) -> None:
        """Look again and again until cancelled.

        The group's API can take a minute to answer. What it is asked at every turn has a loop of its own, so that a
        notice is heard meanwhile.
        """
        await asyncio.gather(self._repeat(self._look, self._look_news), self._repeat(self._protect, self._job_news))

    async def _repeat(self, turn: Callable[[], Awaitable[None]], news: asyncio.Event) -> None:
        while True:
            try:
                await turn()
            except Exception:
                log.exception("an error in the worker's own code, while it looked at its machine")
            try:
                async with asyncio.timeout(self._look_seconds):
                    await news.wait()
            except TimeoutError:
                continue
            news.clear()

    async def _protect(self) -> None:
        await self._machine.membership.protect(is_busy=len(self._jobs) > 0)

    async def _look(self) -> None:
        found = await self._read()
        if found is not None and not (self.notice and self.notice.is_departure):
            if self.notice is None or found.kind is not self.notice.kind:
                log.warning("%s%s", _WORDS[found.kind], f", at {found.ends_at:%H:%M:%S}" if found.ends_at else "")
            self.notice = found
        if self.notice is not None and self.notice.is_departure:
            await self._depart(self.notice)

    async def _depart(self, notice: Notice) -> None:
        self.departing.set()
        now = self._now()
        self._jobs.put_back(notice.kind, lambda elapsed, progress: must_go_back(notice, now, elapsed, progress))
        if notice.kind is NoticeKind.SCALE_IN and len(self._jobs):
            await self._machine.membership.extend()

    async def _read(self) -> Notice | None:
        """Return what the metadata service says; while it does not answer, nothing new."""
        read = self._machine.metadata.read
        try:
            action = await read("meta-data/spot/instance-action")
            state = await read("meta-data/autoscaling/target-lifecycle-state")
            rebalance = await read("meta-data/events/recommendations/rebalance")
        except MetadataUnreachable as error:
            if self._is_heard:
                log.warning("whether this machine is to go is not known: %s", error)
            self._is_heard = False
            return None
        self._is_heard = True
        return read_notice(action, state, rebalance, self._now())
