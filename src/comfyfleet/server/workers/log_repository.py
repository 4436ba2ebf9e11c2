"""SQL of workers' logs."""

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.server.models import WorkerLogLine


async def add(session: AsyncSession, lines: Sequence[WorkerLogLine]) -> None:
    """Store lines, in their order."""
    session.add_all(lines)
    await session.flush()


async def keep_last(session: AsyncSession, worker_id: int, count: int) -> None:
    """Forget all but the last lines of a worker."""
    mine = WorkerLogLine.worker_id == worker_id
    newest_to_go = select(WorkerLogLine.id).where(mine).order_by(WorkerLogLine.id.desc()).offset(count).limit(1)
    await session.execute(delete(WorkerLogLine).where(mine, WorkerLogLine.id <= newest_to_go.scalar_subquery()))


async def tail(session: AsyncSession, worker_id: int, *, after: int | None, limit: int) -> list[WorkerLogLine]:
    """Return the last lines of a worker, oldest first; with `after`, only those that came after that one."""
    query = select(WorkerLogLine).where(WorkerLogLine.worker_id == worker_id)
    if after is not None:
        query = query.where(WorkerLogLine.id > after)
    return list(reversed(list(await session.scalars(query.order_by(WorkerLogLine.id.desc()).limit(limit)))))
