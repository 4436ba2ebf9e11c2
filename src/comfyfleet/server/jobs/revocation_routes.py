"""Revoking workers over HTTP. It is here and not with the other acts on workers, since it puts jobs back."""

from fastapi import APIRouter

from comfyfleet.protocol.envelope import Envelope
from comfyfleet.protocol.workers import WorkerDetail
from comfyfleet.server.auth.dependencies import Operator, Transaction, WiringDep
from comfyfleet.server.jobs.revocation import revoke
from comfyfleet.server.workers.routes import WorkerId
from comfyfleet.server.workers.views import detail_of

router = APIRouter(prefix="/api/workers", tags=["workers"])


@router.post("/{worker_id}/revoke")
async def revoke_worker(
    worker_id: WorkerId, operator: Operator, session: Transaction, wiring: WiringDep
) -> Envelope[WorkerDetail]:
    """End a worker's token, put its jobs back, and refuse it until it is restored."""
    await revoke(session, operator, worker_id, wiring.clock())
    return Envelope(data=await detail_of(session, worker_id))
