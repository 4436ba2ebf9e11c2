"""Fleets over HTTP, for administrators."""

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.protocol import api
from comfyfleet.protocol import bundles as wire
from comfyfleet.protocol.envelope import Envelope
from comfyfleet.protocol.fleets import FleetName
from comfyfleet.server.auth.dependencies import Operator, Transaction, Viewer, WiringDep
from comfyfleet.server.bundles.finding import find as find_bundle
from comfyfleet.server.fleets import repository, service
from comfyfleet.server.fleets.activation import activate
from comfyfleet.server.fleets.coverage import coverage_of
from comfyfleet.server.fleets.overview_repository import fleets_with_bundles
from comfyfleet.server.models import Fleet, FleetActivation

router = APIRouter(prefix="/api/fleets", tags=["fleets"])


@router.get("")
async def list_fleets(_viewer: Viewer, session: Transaction) -> Envelope[list[api.FleetView]]:
    """List all fleets."""
    return Envelope(data=[await _view(session, fleet) for fleet in await repository.all_fleets(session)])


@router.post("", status_code=201)
async def create_fleet(body: api.NewFleet, operator: Operator, session: Transaction) -> Envelope[api.FleetView]:
    """Make a fleet."""
    fleet = await service.create(session, operator, body.stage, body.slug, body.name)
    return Envelope(data=await _view(session, fleet))


@router.patch("/{stage}/{slug}")
async def rename_fleet(
    stage: str, slug: str, body: FleetName, operator: Operator, session: Transaction
) -> Envelope[api.FleetView]:
    """Change a fleet's name for people."""
    fleet = await service.find(session, stage, slug)
    await service.rename(session, operator, fleet, body.name)
    return Envelope(data=await _view(session, fleet))


@router.delete("/{stage}/{slug}")
async def delete_fleet(stage: str, slug: str, operator: Operator, session: Transaction) -> Envelope[None]:
    """Delete a fleet that never had a worker or a job."""
    await service.remove(session, operator, await service.find(session, stage, slug))
    return Envelope(data=None, message="Deleted.")


@router.put("/{stage}/{slug}/workflows")
async def assign_workflows(
    stage: str, slug: str, body: api.FleetWorkflows, operator: Operator, session: Transaction
) -> Envelope[api.FleetView]:
    """Make a fleet serve exactly the named workflows."""
    fleet = await service.find(session, stage, slug)
    await service.assign(session, operator, fleet, body.workflows)
    return Envelope(data=await _view(session, fleet))


@router.get("/{stage}/{slug}/coverage")
async def show_coverage(
    stage: str,
    slug: str,
    _viewer: Viewer,
    session: Transaction,
    bundle: Annotated[str | None, Query(max_length=1000)] = None,
) -> Envelope[wire.CoverageView]:
    """Show what the active bundle, or another one, lacks for the workflows of a fleet."""
    fleet = await service.find(session, stage, slug)
    reference = bundle or (str(fleet.active_bundle_id) if fleet.active_bundle_id else None)
    looked_at = await find_bundle(session, reference) if reference else None
    return Envelope(data=await coverage_of(session, fleet, looked_at))


@router.put("/{stage}/{slug}/bundle")
async def activate_bundle(
    stage: str, slug: str, body: wire.NewActivation, operator: Operator, session: Transaction, wiring: WiringDep
) -> Envelope[wire.PointerView]:
    """Point a fleet to a bundle, or to none."""
    fleet = await service.find(session, stage, slug)
    view = await activate(session, operator, fleet, body.bundle, accept_missing=body.accept_missing, now=wiring.clock())
    return Envelope(data=view)


@router.get("/{stage}/{slug}/activations")
async def list_activations(
    stage: str,
    slug: str,
    _viewer: Viewer,
    session: Transaction,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Envelope[list[wire.ActivationView]]:
    """List what a fleet pointed to, newest first."""
    fleet = await service.find(session, stage, slug)
    return Envelope(data=[_activation(line) for line in await repository.activations(session, fleet.id, limit)])


async def _view(session: AsyncSession, fleet: Fleet) -> api.FleetView:
    [(_, bundle, version)] = await fleets_with_bundles(session, fleet.id)
    return api.FleetView(
        slug=fleet.slug,
        stage=fleet.stage,
        name=fleet.name,
        workflows=await repository.workflows_of(session, fleet.id),
        queue_depth=await repository.queue_depth(session, fleet.id),
        active_bundle=f"{bundle}@{version}" if bundle else None,
    )


def _activation(line: FleetActivation) -> wire.ActivationView:
    return wire.ActivationView(
        at=line.at,
        by=line.by,
        bundle_id=str(line.bundle_id) if line.bundle_id else None,
        bundle=line.bundle,
        accepted_missing=line.accepted_missing,
    )
