"""The public pages: the effects, and one effect to run."""

from fastapi import APIRouter, Request, Response

from comfyfleet.server.auth.dependencies import WiringDep
from comfyfleet.server.effects import repository, service
from comfyfleet.web.templating import render
from comfyfleet.web.visitors import balance_of, detour, visitor

router = APIRouter(include_in_schema=False)


@router.get("/")
async def show_effects(request: Request, wiring: WiringDep) -> Response:
    """List the effects."""
    person = await visitor(request, wiring)
    async with wiring.sessions.begin() as session:
        effects = [service.public_view(effect) for effect in await repository.active(session)]
    context = {"visitor": person, "balance": await balance_of(wiring, person), "effects": effects}
    return render(request, "effects.html", context)


@router.get("/effects/{slug}")
async def show_effect(request: Request, slug: str, wiring: WiringDep) -> Response:
    """Show an effect with its form."""
    person = await visitor(request, wiring)
    if person is not None and person.must_change_password:
        return detour("/password", request)
    async with wiring.sessions.begin() as session:
        effect = service.public_view(await service.find_active(session, slug))
    context = {"visitor": person, "balance": await balance_of(wiring, person), "effect": effect}
    return render(request, "effect.html", context)
