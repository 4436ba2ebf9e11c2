"""SQL of operations and their logs."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.operations import OperationStatus
from comfyfleet.server.models import Operation, OperationLine

_RUNNING = Operation.status == OperationStatus.RUNNING


async def by_id(session: AsyncSession, operation_id: int) -> Operation | None:
    """Return an operation."""
    return await session.get(Operation, operation_id, populate_existing=True)


async def by_token(session: AsyncSession, token: UUID) -> Operation | None:
    """Return the operation of a plan."""
    return await session.scalar(select(Operation).where(Operation.token == token))


async def running_with(session: AsyncSession, lock: str) -> Operation | None:
    """Return what runs and keeps others from running."""
    return await session.scalar(select(Operation).where(_RUNNING, Operation.lock == lock))


async def add(session: AsyncSession, operation: Operation) -> bool:
    """Store an operation; return False, and store nothing, where its token or its lock is taken."""
    row = {column.key: getattr(operation, column.key) for column in Operation.__mapper__.column_attrs}
    values = {name: value for name, value in row.items() if value is not None}
    query = insert(Operation).values(**values).on_conflict_do_nothing().returning(Operation.id)
    return await session.scalar(query) is not None


async def page(
    session: AsyncSession, *, fleet_id: int | None, before: int | None = None, limit: int
) -> list[Operation]:
    """Return operations of one fleet or of all, newest first."""
    query = select(Operation).order_by(Operation.id.desc()).limit(limit)
    if fleet_id is not None:
        query = query.where(Operation.fleet_id == fleet_id)
    if before is not None:
        query = query.where(Operation.id < before)
    return list(await session.scalars(query))


async def note_alive(session: AsyncSession, operation_id: int, now: datetime) -> str | None:
    """Note that a running operation lives; return who asked for its end."""
    query = update(Operation).where(Operation.id == operation_id, _RUNNING).values(seen_at=now)
    return await session.scalar(query.returning(Operation.cancel_requested_by))


async def end(
    session: AsyncSession, operation_id: int, status: OperationStatus, outcome: str, result: object, now: datetime
) -> bool:
    """End an operation, one too that was given up too early; return False where it has ended otherwise."""
    query = (
        update(Operation)
        .where(Operation.id == operation_id, Operation.status.in_(("running", "interrupted")))
        .values(status=status, outcome=outcome, result=result, ended_at=now, seen_at=now)
    )
    return await session.scalar(query.returning(Operation.id)) is not None


async def ask_to_end(session: AsyncSession, operation_id: int, actor: str) -> bool:
    """Note who wants a running operation to end; return whether it runs."""
    query = update(Operation).where(Operation.id == operation_id, _RUNNING).values(cancel_requested_by=actor)
    return await session.scalar(query.returning(Operation.id)) is not None


async def silent_since(session: AsyncSession, then: datetime) -> list[Operation]:
    """Return what runs and has not told since that it lives; locked, and not what others look after."""
    query = select(Operation).where(_RUNNING, Operation.seen_at < then)
    return list(await session.scalars(query.with_for_update(skip_locked=True, of=Operation)))


async def drop_old_logs(session: AsyncSession, fleet_id: int, keep: int) -> None:
    """Forget what all but the newest operations of a fleet said."""
    mine = select(Operation.id).where(Operation.fleet_id == fleet_id).order_by(Operation.id.desc())
    await session.execute(delete(OperationLine).where(OperationLine.operation_id.in_(mine.offset(keep))))


async def add_lines(session: AsyncSession, lines: Sequence[OperationLine]) -> None:
    """Store pieces of a log, in their order."""
    session.add_all(lines)
    await session.flush()


async def lines(session: AsyncSession, operation_id: int, *, after: int, limit: int) -> list[OperationLine]:
    """Return pieces of a log in their order, from the one after `after` on."""
    mine = select(OperationLine).where(OperationLine.operation_id == operation_id, OperationLine.id > after)
    return list(await session.scalars(mine.order_by(OperationLine.id).limit(limit)))


async def last_lines(session: AsyncSession, operation_id: int, limit: int) -> list[OperationLine]:
    """Return the last pieces of a log, in their order."""
    mine = select(OperationLine).where(OperationLine.operation_id == operation_id)
    return list(reversed(list(await session.scalars(mine.order_by(OperationLine.id.desc()).limit(limit)))))
