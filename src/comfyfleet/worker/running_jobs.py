"""The jobs that a worker holds, each a task."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from comfyfleet.protocol.worker import LeasedJob
from comfyfleet.worker.heartbeat import Pulse
from comfyfleet.worker.pipeline import run_job
from comfyfleet.worker.tools import Tools

log = logging.getLogger(__name__)

LEAVE_SECONDS: Final = 7.0
"""How long jobs that are put back may take for it."""


@dataclass(frozen=True)
class _Running:
    job_id: int
    pulse: Pulse
    started_at: float


class RunningJobs:
    """Starts jobs and puts them back. `on_change` is called when a job starts or ends."""

    def __init__(self, tools: Tools, on_change: Callable[[], None] = lambda: None) -> None:
        self._tools = tools
        self._on_change = on_change
        self._jobs: dict[asyncio.Task[None], _Running] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def start(self, job: LeasedJob) -> None:
        """Begin a job."""
        pulse = Pulse()
        task = asyncio.create_task(run_job(self._tools, job, pulse), name=f"job {job.job_id}")
        self._jobs[task] = _Running(job.job_id, pulse, asyncio.get_running_loop().time())
        task.add_done_callback(self._forget)
        self._on_change()

    async def wait_for_room(self) -> None:
        """Return when another job may be held."""
        while len(self._jobs) >= self._tools.settings.max_concurrency:
            await asyncio.wait(self._jobs, return_when=asyncio.FIRST_COMPLETED)

    async def wait_for_all(self) -> None:
        """Return when no job is held."""
        while self._jobs:
            await asyncio.wait(self._jobs)

    def put_back(self, reason: str, must: Callable[[float, float | None], bool] = lambda _elapsed, _done: True) -> None:
        """Put those jobs back of which `must` says so, given how many seconds they ran and how far they are."""
        now = asyncio.get_running_loop().time()
        for task, running in self._jobs.items():
            progress = running.pulse.progress.value if running.pulse.progress else None
            if running.pulse.stop_reason is None and must(now - running.started_at, progress):
                log.info("job %d is stopped: %s", running.job_id, reason)
                running.pulse.stop_reason = reason
                task.cancel()

    async def put_all_back(self, reason: str) -> None:
        """Put all jobs back; return when they are, or when that takes too long."""
        self.put_back(reason)
        if self._jobs:
            await asyncio.wait(self._jobs, timeout=LEAVE_SECONDS)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._jobs.pop(task, None)
        self._on_change()
