"""What operators do to workers; to revoke one is in the slice `jobs`, since its jobs are put back."""

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.workers import WorkerAct, WorkerStatus, status_after
from comfyfleet.server import db
from comfyfleet.server.audit import service as audit
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.fleets.service import label
from comfyfleet.server.models import Worker
from comfyfleet.server.notifier import fleet_topic, worker_topic
from comfyfleet.server.workers import repository, service


async def drain(session: AsyncSession, principal: Principal, worker_id: str) -> Worker:
    """Let a worker finish what it has and get no more. Its own register or an operator makes it active again.

    Raises:
        WorkerNotFound: There is none.
        WorkerActRefused: It is not in its fleet.
    """
    return await _change(session, principal, worker_id, WorkerAct.DRAIN)


async def activate(session: AsyncSession, principal: Principal, worker_id: str) -> Worker:
    """Let a worker that drains get jobs again; raise as `drain`."""
    return await _change(session, principal, worker_id, WorkerAct.ACTIVATE)


async def restore(session: AsyncSession, principal: Principal, worker_id: str) -> Worker:
    """Let a revoked worker register again; raise as `drain`."""
    return await _change(session, principal, worker_id, WorkerAct.RESTORE)


async def begin(session: AsyncSession, worker_id: str, act: WorkerAct) -> tuple[Worker, WorkerStatus]:
    """Return a worker, held until the transaction ends, and the state that an act leads to; raise as `drain`."""
    worker = await service.hold(session, worker_id)
    return worker, status_after(act, WorkerStatus(worker.status))


async def record(session: AsyncSession, principal: Principal, worker: Worker, act: WorkerAct, **detail: object) -> None:
    """Write an act into the audit, and wake who waits for it: the worker's own long poll, and pages."""
    fleet = await repository.fleet_of(session, worker)
    await audit.record(session, principal, f"worker.{act}", worker.worker_id, {"fleet": label(fleet), **detail})
    await db.publish(session, fleet_topic(worker.fleet_id))
    await db.publish(session, worker_topic(worker.id))


async def _change(session: AsyncSession, principal: Principal, worker_id: str, act: WorkerAct) -> Worker:
    worker, after = await begin(session, worker_id, act)
    if after != worker.status:
        worker.status = after
        await session.flush()
        await record(session, principal, worker, act)
    return worker
