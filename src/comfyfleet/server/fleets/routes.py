"""Fleets over HTTP, for administrators."""

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.protocol import api
from comfyfleet.protocol.envelope import Envelope
from comfyfleet.server.auth.dependencies import Administrator, Transaction
from comfyfleet.server.fleets import repository, service
from comfyfleet.server.models import Fleet

router = APIRouter(prefix="/api/fleets", tags=["fleets"])


@router.get("")
async def list_fleets(_admin: Administrator, session: Transaction) -> Envelope[list[api.FleetView]]:
    """List all fleets."""
    return Envelope(data=[await _view(session, fleet) for fleet in await repository.all_fleets(session)])


@router.post("", status_code=201)
async def create_fleet(body: api.NewFleet, _admin: Administrator, session: Transaction) -> Envelope[api.FleetView]:
    """Make a fleet."""
    fleet = await service.create(session, body.stage, body.slug, body.name)
    return Envelope(data=await _view(session, fleet))


@router.put("/{stage}/{slug}/workflows")
async def assign_workflows(
    stage: str, slug: str, body: api.FleetWorkflows, _admin: Administrator, session: Transaction
) -> Envelope[api.FleetView]:
    """Make a fleet serve exactly the named workflows."""
    fleet = await service.find(session, stage, slug)
    await service.assign(session, fleet, body.workflows)
    return Envelope(data=await _view(session, fleet))


async def _view(session: AsyncSession, fleet: Fleet) -> api.FleetView:
    return api.FleetView(
        slug=fleet.slug,
        stage=fleet.stage,
        name=fleet.name,
        workflows=await repository.workflows_of(session, fleet.id),
        queue_depth=await repository.queue_depth(session, fleet.id),
    )
