"""The public pages: the effects, and one effect to run."""

from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from comfyfleet.server.auth.dependencies import WiringDep
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.credits import service as credit_service
from comfyfleet.server.effects import repository, service
from comfyfleet.server.wiring import Wiring
from comfyfleet.web.templating import render
from comfyfleet.web.visitors import visitor

router = APIRouter(include_in_schema=False)


@router.get("/")
async def show_effects(request: Request, wiring: WiringDep) -> Response:
    """List the effects."""
    person = await visitor(request, wiring)
    async with wiring.sessions.begin() as session:
        effects = [service.public_view(effect) for effect in await repository.active(session)]
    context = {"visitor": person, "balance": await _balance(wiring, person), "effects": effects}
    return render(request, "effects.html", context)


@router.get("/effects/{slug}")
async def show_effect(request: Request, slug: str, wiring: WiringDep) -> Response:
    """Show an effect with its form."""
    person = await visitor(request, wiring)
    if person is not None and person.must_change_password:
        return RedirectResponse(f"/password?{urlencode({'next': request.url.path})}", status_code=303)
    async with wiring.sessions.begin() as session:
        effect = service.public_view(await service.find_active(session, slug))
    context = {"visitor": person, "balance": await _balance(wiring, person), "effect": effect}
    return render(request, "effect.html", context)


async def _balance(wiring: Wiring, person: Principal | None) -> int | None:
    if person is None:
        return None
    async with wiring.sessions.begin() as session:
        return (await credit_service.balance(session, person.tenant_id)).available
