"""Keeping a worker out."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.workers import WorkerAct
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.jobs import leases
from comfyfleet.server.jobs import repository as jobs
from comfyfleet.server.models import Worker
from comfyfleet.server.workers import operating
from comfyfleet.server.workers import service as workers


async def revoke(session: AsyncSession, principal: Principal, worker_id: str, now: datetime) -> Worker:
    """End a worker's token at once, and put its jobs back without counting the attempt.

    It cannot register again before an operator restores it. Raises `WorkerNotFound`.
    """
    worker, after = await operating.begin(session, worker_id, WorkerAct.REVOKE)
    if after == worker.status:
        return worker
    held = [job.id for job in await jobs.held_by(session, worker.id)]
    await leases.put_back_all(session, worker, "An operator revoked the worker.", now)
    await workers.end_token(session, worker, after, now)
    await operating.record(session, principal, worker, WorkerAct.REVOKE, jobs=held)
    return worker
