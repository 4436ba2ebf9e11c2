"""How the control plane stands: its settings, and whether what it depends on answers."""

from fastapi import APIRouter, Request, Response

from comfyfleet.server.auth.dependencies import Viewer, WiringDep
from comfyfleet.server.system.service import describe
from comfyfleet.web.admin import render_admin

router = APIRouter(prefix="/admin/settings", include_in_schema=False)


@router.get("")
async def show_settings(request: Request, viewer: Viewer, wiring: WiringDep) -> Response:
    """Show version, health and settings; of secrets only whether they are set."""
    return render_admin(request, viewer, "settings.html", {"system": await describe(wiring)})
