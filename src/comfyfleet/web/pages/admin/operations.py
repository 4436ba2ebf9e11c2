"""Operations: all of them, and one with its log while it runs."""

from collections.abc import AsyncIterator
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.operations import LineKind
from comfyfleet.server.auth.dependencies import Before, Operator, RowId, Transaction, Viewer, Words
from comfyfleet.server.fleets import service as fleets
from comfyfleet.server.models import OperationLine
from comfyfleet.server.operations import repository, service
from comfyfleet.server.operations.views import view
from comfyfleet.web.admin import render_admin
from comfyfleet.web.notices import done

router = APIRouter(prefix="/admin/comfyui/operations", include_in_schema=False)

OPERATIONS_ON_A_PAGE: Final = 50
_PIECES_SHOWN: Final = 400
_CHARACTERS_SHOWN: Final = 40_000
_PIECES_AT_ONCE: Final = 1000


@router.get("")
async def show_operations(
    request: Request, viewer: Viewer, session: Transaction, fleet: Words = "", before: Before = None
) -> Response:
    """List operations, newest first."""
    fleet_id = (await fleets.find(session, *_parts(fleet))).id if fleet else None
    found = await repository.page(session, fleet_id=fleet_id, before=before, limit=OPERATIONS_ON_A_PAGE)
    context = {
        "operations": [view(one) for one in found],
        "fleet": fleet,
        "next_before": found[-1].id if len(found) == OPERATIONS_ON_A_PAGE else None,
    }
    return render_admin(request, viewer, "operations/list.html", context)


@router.get("/{operation_id}")
async def show_operation(request: Request, operation_id: RowId, viewer: Viewer, session: Transaction) -> Response:
    """Show an operation and the end of its log."""
    operation = view(await service.find(session, operation_id))
    lines = await repository.last_lines(session, operation_id, _PIECES_SHOWN)
    shown = _end_of(lines)
    context = {
        "operation": operation,
        "log": shown,
        "is_cut": len(shown) < len(lines) or len(lines) == _PIECES_SHOWN,
    }
    return render_admin(request, viewer, "operations/operation.html", context)


@router.get("/{operation_id}/log")
async def show_log(operation_id: RowId, _viewer: Viewer, session: Transaction) -> PlainTextResponse:
    """Return the whole log as a text."""
    await service.find(session, operation_id)
    return PlainTextResponse("".join([_as_text(line) async for line in _all_lines(session, operation_id)]))


@router.post("/{operation_id}/cancel")
async def cancel_operation(request: Request, operation_id: RowId, operator: Operator, session: Transaction) -> Response:
    """Ask an operation to end."""
    await service.cancel(session, operator, operation_id)
    return done(request, f"/admin/comfyui/operations/{operation_id}", "It was asked to end, and clears up first.")


def _parts(fleet: str) -> tuple[str, str]:
    stage, _, slug = fleet.partition("/")
    return stage, slug


def _end_of(lines: list[OperationLine]) -> list[OperationLine]:
    """Return the last pieces that a page can hold."""
    left, count = _CHARACTERS_SHOWN, 0
    for line in reversed(lines):
        left -= len(line.text)
        if left < 0 and count:
            break
        count += 1
    return lines[len(lines) - count :]


async def _all_lines(session: AsyncSession, operation_id: int) -> AsyncIterator[OperationLine]:
    after = 0
    while found := await repository.lines(session, operation_id, after=after, limit=_PIECES_AT_ONCE):
        for line in found:
            yield line
        after = found[-1].id


def _as_text(line: OperationLine) -> str:
    if line.kind == LineKind.STEP:
        return f"{line.at:%Y-%m-%d %H:%M:%S} {line.text} …\n"
    return line.text
