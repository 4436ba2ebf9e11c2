"""SQL of workers that were not let in."""

from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.server.models import WorkerRefusal


async def keep(session: AsyncSession, fleet_id: int, worker_id: str, reason: str, advice: str, at: datetime) -> None:
    """Keep a refusal in the place of the fleet's last one."""
    values = {"worker_id": worker_id, "reason": reason, "advice": advice, "at": at}
    adding = insert(WorkerRefusal).values(fleet_id=fleet_id, **values)
    await session.execute(adding.on_conflict_do_update(index_elements=["fleet_id"], set_=values))


async def forget(session: AsyncSession, worker_id: str) -> None:
    """Forget the refusals of a worker."""
    await session.execute(delete(WorkerRefusal).where(WorkerRefusal.worker_id == worker_id))
