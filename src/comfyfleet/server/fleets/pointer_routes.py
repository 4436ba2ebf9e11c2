"""Fleets' pointers over HTTP."""

from fastapi import APIRouter

from comfyfleet.protocol.envelope import Envelope
from comfyfleet.protocol.fleets import FleetPointerView
from comfyfleet.server.auth.dependencies import Operator, Viewer, WiringDep
from comfyfleet.server.fleets import pointers
from comfyfleet.server.fleets.pointers import PointerState

router = APIRouter(prefix="/api/fleets/{stage}/{slug}/pointer", tags=["fleets"])


@router.get("")
async def show_pointer(stage: str, slug: str, _viewer: Viewer, wiring: WiringDep) -> Envelope[FleetPointerView]:
    """Compare what the database and the parameter say of a fleet's bundle."""
    return Envelope(data=_view(await pointers.look(wiring, stage, slug)))


@router.post("/mend")
async def mend_pointer(stage: str, slug: str, operator: Operator, wiring: WiringDep) -> Envelope[FleetPointerView]:
    """Write the parameter of a fleet again, by the database."""
    return Envelope(data=_view(await pointers.mend(wiring, operator, stage, slug)))


def _view(state: PointerState) -> FleetPointerView:
    return FleetPointerView(
        fleet=state.fleet,
        parameter=state.parameter,
        wanted=state.wanted,
        found=state.found,
        agrees=state.agrees,
        written_at=state.written_at,
        problem=state.problem,
    )
