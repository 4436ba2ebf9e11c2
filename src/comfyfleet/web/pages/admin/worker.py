"""One worker: its machine, its jobs, its log, and what can be done to it."""

from typing import Final

from fastapi import APIRouter, Request, Response

from comfyfleet.core.workers import WorkerAct, acts_in
from comfyfleet.server.auth.dependencies import Operator, Transaction, Viewer, WiringDep
from comfyfleet.server.jobs.revocation import revoke
from comfyfleet.server.workers import operating
from comfyfleet.server.workers.routes import WorkerId
from comfyfleet.server.workers.views import detail_of, log_of
from comfyfleet.web.admin import render_admin
from comfyfleet.web.notices import done
from comfyfleet.web.pages.admin.workers import SOURCES

router = APIRouter(prefix="/admin/workers/{worker_id}", include_in_schema=False)

LOG_LINES: Final = 200

_VERBS: Final = {
    WorkerAct.DRAIN: operating.drain,
    WorkerAct.ACTIVATE: operating.activate,
    WorkerAct.RESTORE: operating.restore,
}
_DONE: Final = {
    WorkerAct.DRAIN: "It ends the jobs that it has, and gets no more.",
    WorkerAct.ACTIVATE: "It gets jobs again.",
    WorkerAct.REVOKE: "It was revoked: its token has ended, and its jobs were put back.",
    WorkerAct.RESTORE: "It may register again, and does so within half a minute where its agent still runs.",
}


@router.get("")
async def show_worker(request: Request, worker_id: WorkerId, viewer: Viewer, session: Transaction) -> Response:
    """Show a worker."""
    worker = await detail_of(session, worker_id)
    context = {
        "worker": worker,
        "acts": [act.value for act in acts_in(worker.status)],
        "log": await log_of(session, worker_id, limit=LOG_LINES),
        "source": dict(SOURCES).get(worker.registration_source, worker.registration_source),
        "nodes": _names(worker.capabilities.get("node_classes")),
    }
    return render_admin(request, viewer, "workers/worker.html", context)


@router.post("/{act}")
async def act_on_worker(
    request: Request, worker_id: WorkerId, act: WorkerAct, operator: Operator, session: Transaction, wiring: WiringDep
) -> Response:
    """Drain, activate, revoke or restore a worker."""
    if act is WorkerAct.REVOKE:
        await revoke(session, operator, worker_id, wiring.clock())
    else:
        await _VERBS[act](session, operator, worker_id)
    return done(request, f"/admin/workers/{worker_id}", _DONE[act])


def _names(told: object) -> list[str]:
    """Return what a worker tells as names, if it is a list of some."""
    return [str(name) for name in told] if isinstance(told, list) else []
