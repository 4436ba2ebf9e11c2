"""Workers over HTTP, for administrators. The worker protocol itself is in the slice `jobs`."""

from fastapi import APIRouter

from comfyfleet.protocol.api import WorkerView
from comfyfleet.protocol.envelope import Envelope
from comfyfleet.server.auth.dependencies import Transaction, Viewer
from comfyfleet.server.models import Fleet, Worker
from comfyfleet.server.workers import repository

router = APIRouter(prefix="/api/workers", tags=["workers"])


@router.get("")
async def list_workers(_viewer: Viewer, session: Transaction) -> Envelope[list[WorkerView]]:
    """List all workers, last seen first."""
    jobs = await repository.jobs_in_work(session)
    workers = await repository.with_fleets(session)
    return Envelope(data=[_view(worker, fleet, jobs.get(worker.id, [])) for worker, fleet in workers])


def _view(worker: Worker, fleet: Fleet, jobs: list[int]) -> WorkerView:
    return WorkerView.model_validate(
        {
            "worker_id": worker.worker_id,
            "fleet_slug": fleet.slug,
            "stage": fleet.stage,
            "status": worker.status,
            "registration_source": worker.registration_source,
            "display_name": worker.display_name,
            "capabilities": worker.capabilities,
            "max_concurrency": worker.max_concurrency,
            "jobs": jobs,
            "registered_at": worker.registered_at,
            "last_seen_at": worker.last_seen_at,
        }
    )
