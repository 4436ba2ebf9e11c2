"""Operations over HTTP: looked at, followed and canceled. They are begun on the fleet's page."""

from typing import Annotated

from fastapi import APIRouter, Query

from comfyfleet.protocol.envelope import Envelope, Page
from comfyfleet.protocol.operations import OperationLineView, OperationView
from comfyfleet.server.auth.dependencies import Before, Operator, RowId, Transaction, Viewer, Words
from comfyfleet.server.fleets import service as fleets
from comfyfleet.server.models.base import MAX_BIG_ID
from comfyfleet.server.operations import repository, service
from comfyfleet.server.operations.views import line_view, view

router = APIRouter(prefix="/api/operations", tags=["operations"])

Limit = Annotated[int, Query(ge=1, le=200)]
After = Annotated[int, Query(ge=0, le=MAX_BIG_ID)]


@router.get("")
async def list_operations(
    _viewer: Viewer, session: Transaction, fleet: Words = "", before: Before = None, limit: Limit = 50
) -> Envelope[Page[OperationView]]:
    """List operations, newest first, of the fleet `stage/slug` or of all."""
    fleet_id = None
    if fleet:
        stage, _, slug = fleet.partition("/")
        fleet_id = (await fleets.find(session, stage, slug)).id
    found = await repository.page(session, fleet_id=fleet_id, before=before, limit=limit)
    next_before = found[-1].id if len(found) == limit else None
    return Envelope(data=Page(items=[view(one) for one in found], next_before=next_before))


@router.get("/{operation_id}")
async def show_operation(operation_id: RowId, _viewer: Viewer, session: Transaction) -> Envelope[OperationView]:
    """Show an operation."""
    return Envelope(data=view(await service.find(session, operation_id)))


@router.get("/{operation_id}/log")
async def show_log(
    operation_id: RowId, _viewer: Viewer, session: Transaction, after: After = 0, limit: Limit = 200
) -> Envelope[list[OperationLineView]]:
    """Return what an operation said, in order; ask again with `after` the last piece's id for what follows."""
    await service.find(session, operation_id)
    return Envelope(
        data=[line_view(one) for one in await repository.lines(session, operation_id, after=after, limit=limit)]
    )


@router.post("/{operation_id}/cancel")
async def cancel_operation(operation_id: RowId, operator: Operator, session: Transaction) -> Envelope[OperationView]:
    """Ask an operation to end and to clear up after itself."""
    return Envelope(data=view(await service.cancel(session, operator, operation_id)))
