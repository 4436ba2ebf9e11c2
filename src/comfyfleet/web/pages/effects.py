"""The public pages: the effects, and one effect to run."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from comfyfleet.server.auth.dependencies import WiringDep
from comfyfleet.server.effects import previews, repository, service
from comfyfleet.web.templating import render
from comfyfleet.web.visitors import balance_of, detour, visitor

router = APIRouter(include_in_schema=False)


@router.get("/")
async def show_effects(request: Request, wiring: WiringDep, q: Annotated[str, Query(max_length=300)] = "") -> Response:
    """List the effects; `q` is a part of name or description."""
    person = await visitor(request, wiring)
    async with wiring.sessions.begin() as session:
        effects = [service.public_view(effect) for effect in await repository.active(session)]
    wanted = q.strip().lower()
    context = {
        "visitor": person,
        "balance": await balance_of(wiring, person),
        "effects": [one for one in effects if wanted in one.name.lower() or wanted in one.description.lower()],
        "total": len(effects),
        "q": q,
    }
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


@router.get("/effects/{slug}/preview")
async def show_preview(slug: str, wiring: WiringDep) -> Response:
    """Lead to the effect's preview, where it is stored."""
    async with wiring.sessions.begin() as session:
        signed = await previews.signed(session, wiring, slug)
    if signed is None:
        return Response(status_code=404)
    return RedirectResponse(signed.url, status_code=302, headers={"Cache-Control": "private, max-age=600"})
