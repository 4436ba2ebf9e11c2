"""The typed client of workers."""

from collections.abc import Sequence
from urllib.parse import quote

from comfyfleet.client.api import ControlPlane
from comfyfleet.core.workers import WorkerAct, WorkerStatus
from comfyfleet.protocol.workers import WorkerDetail, WorkerLogLineView, WorkerPage


class WorkerPlane(ControlPlane):
    """A control plane's workers. `worker_id` is the id of a worker's machine."""

    def workers(
        self,
        *,
        text: str | None = None,
        fleet: str | None = None,
        statuses: Sequence[WorkerStatus] = (),
        source: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> WorkerPage:
        """Return a page of workers, last seen first; `fleet` is `stage/slug` or a slug."""
        wanted = [status.value for status in statuses]
        return self._get(
            WorkerPage,
            "/api/workers",
            q=text,
            fleet=fleet,
            status=wanted or None,
            source=source,
            limit=limit,
            offset=offset,
        )

    def worker(self, worker_id: str) -> WorkerDetail:
        """Return one worker."""
        return self._get(WorkerDetail, _path(worker_id))

    def worker_log(
        self, worker_id: str, *, after: int | None = None, limit: int | None = None
    ) -> list[WorkerLogLineView]:
        """Return the last lines of a worker's log, oldest first; with `after`, what came after that line."""
        return self._get(list[WorkerLogLineView], f"{_path(worker_id)}/log", after=after, limit=limit)

    def act_on_worker(self, worker_id: str, act: WorkerAct) -> WorkerDetail:
        """Drain, activate, revoke or restore a worker; return what it is then."""
        return self._send(WorkerDetail, "POST", f"{_path(worker_id)}/{act}")


def _path(worker_id: str) -> str:
    return f"/api/workers/{quote(worker_id, safe='')}"
