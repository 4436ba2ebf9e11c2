"""The verbs of operations: begin, tell, end, ask for an end, give up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.errors import Conflict, NotFound
from comfyfleet.core.operations import (
    LOGS_KEPT,
    SILENT,
    LineKind,
    OperationKind,
    OperationStatus,
    after_interruption,
)
from comfyfleet.server.audit import service as audit
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.db import publish
from comfyfleet.server.fleets.service import label
from comfyfleet.server.models import Fleet, Operation, OperationLine
from comfyfleet.server.notifier import operation_topic
from comfyfleet.server.operations import repository


class OperationNotFound(NotFound):
    """There is no such operation."""

    code = "operation_not_found"


class OperationRunning(Conflict):
    """Something runs that must not run twice at once."""

    code = "operation_running"


class OperationOver(Conflict):
    """The operation has ended."""

    code = "operation_over"


@dataclass(frozen=True)
class NewOperation:
    """What shall be done: a plan in words, its token, and what must not run beside it."""

    token: UUID
    kind: OperationKind
    lock: str
    title: str
    steps: Sequence[str]
    warnings: Sequence[str]
    subject: str


@dataclass(frozen=True)
class NewLine:
    """A piece of a log."""

    at: datetime
    kind: LineKind
    text: str


async def find(session: AsyncSession, operation_id: int) -> Operation:
    """Return an operation; raise `OperationNotFound`."""
    operation = await repository.by_id(session, operation_id)
    if operation is None:
        raise OperationNotFound(f"There is no operation {operation_id}.", hint="See the fleet's page.")
    return operation


async def begin(
    session: AsyncSession, principal: Principal, fleet: Fleet, new: NewOperation, now: datetime
) -> tuple[Operation, bool]:
    """Note that an operation begins; return it, and whether it is to be begun: a second click is the first one's.

    Raises:
        OperationRunning: Something else runs that must not run beside it.
    """
    operation = Operation(
        token=new.token,
        kind=new.kind,
        fleet_id=fleet.id,
        lock=new.lock,
        title=new.title,
        steps=list(new.steps),
        warnings=list(new.warnings),
        status=OperationStatus.RUNNING,
        result={},
        actor=principal.actor[:400],
        started_at=now,
        seen_at=now,
    )
    is_new = await repository.add(session, operation)
    found = await repository.by_token(session, new.token)
    if found is None:
        other = await repository.running_with(session, new.lock)
        what = f"Operation {other.id}, '{other.title}', runs already." if other else "Something else ran until now."
        raise OperationRunning(what, hint="Wait for its end, or cancel it on its page.")
    if is_new:
        await repository.drop_old_logs(session, fleet.id, LOGS_KEPT)
        await audit.record(session, principal, new.kind, new.subject, {"operation": found.id, "title": new.title})
        await publish(session, operation_topic(found.id))
    return found, is_new


async def tell(session: AsyncSession, operation_id: int, lines: Sequence[NewLine], now: datetime) -> str | None:
    """Store what an operation said, and that it lives; return who has asked for its end."""
    if lines:
        rows = [OperationLine(operation_id=operation_id, at=one.at, kind=one.kind, text=one.text) for one in lines]
        await repository.add_lines(session, rows)
        await publish(session, operation_topic(operation_id))
    return await repository.note_alive(session, operation_id, now)


async def end(
    session: AsyncSession,
    operation_id: int,
    status: OperationStatus,
    outcome: str,
    result: dict[str, Any],
    now: datetime,
) -> None:
    """End an operation, in words."""
    if await repository.end(session, operation_id, status, outcome, result, now):
        await publish(session, operation_topic(operation_id))


async def cancel(session: AsyncSession, principal: Principal, operation_id: int) -> Operation:
    """Ask an operation to end and to clear up; its process hears of it in seconds. Raises `OperationOver`."""
    operation = await find(session, operation_id)
    if not await repository.ask_to_end(session, operation_id, principal.actor[:400]):
        raise OperationOver(f"Operation {operation_id} has ended.", hint="There is nothing to cancel.")
    detail = {"operation": operation_id, "title": operation.title}
    await audit.record(session, principal, "operation.cancel", label(operation.fleet), detail)
    await publish(session, operation_topic(operation_id))
    return await find(session, operation_id)


async def give_up_silent(session: AsyncSession, now: datetime) -> int:
    """End operations whose process is gone; return how many."""
    silent = await repository.silent_since(session, now - SILENT)
    for operation in silent:
        words = after_interruption(OperationKind(operation.kind))
        await end(session, operation.id, OperationStatus.INTERRUPTED, words, {}, now)
    return len(silent)


async def begun_with(session: AsyncSession, token: UUID) -> Operation | None:
    """Return the operation of a plan that was begun before."""
    return await repository.by_token(session, token)
