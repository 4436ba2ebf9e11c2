"""Fleets: the list, and a new one."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from comfyfleet.server.auth.dependencies import Operator, Transaction, Viewer, WiringDep
from comfyfleet.server.fleets import service
from comfyfleet.server.fleets.overview import overviews
from comfyfleet.web.admin import render_admin
from comfyfleet.web.notices import done

router = APIRouter(prefix="/admin/comfyui/fleets", include_in_schema=False)

Slug = Annotated[str, Form(max_length=64)]
Name = Annotated[str, Form(max_length=300)]


@router.get("")
async def show_fleets(request: Request, viewer: Viewer, session: Transaction, wiring: WiringDep) -> Response:
    """List the fleets."""
    context = {"fleets": await overviews(session), "stage": wiring.settings.stage}
    return render_admin(request, viewer, "fleets/list.html", context)


@router.post("")
async def create_fleet(
    request: Request, operator: Operator, session: Transaction, stage: Slug, slug: Slug, name: Name = ""
) -> Response:
    """Make a fleet."""
    fleet = await service.create(session, operator, stage, slug, name)
    return done(request, f"/admin/comfyui/fleets/{fleet.stage}/{fleet.slug}", f"Made the fleet {service.label(fleet)}.")
