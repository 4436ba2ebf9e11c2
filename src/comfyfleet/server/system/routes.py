"""The control plane's own state over HTTP, for viewers."""

from fastapi import APIRouter

from comfyfleet.protocol.envelope import Envelope
from comfyfleet.protocol.system import SystemView
from comfyfleet.server.auth.dependencies import Viewer, WiringDep
from comfyfleet.server.system.service import describe

router = APIRouter(prefix="/api/admin/system", tags=["system"])


@router.get("")
async def show_system(_viewer: Viewer, wiring: WiringDep) -> Envelope[SystemView]:
    """Show version, settings without secrets, and the health of database and storage."""
    return Envelope(data=await describe(wiring))
