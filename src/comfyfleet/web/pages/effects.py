"""The public pages: the effects, and one effect to run."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from comfyfleet.server.auth.dependencies import WiringDep
from comfyfleet.server.effects import previews, repository, service
from comfyfleet.web.templating import clean, render
from comfyfleet.web.visitors import balance_of, detour, visitor

router = APIRouter(include_in_schema=False)

EFFECTS_ON_A_PAGE: Final = 48


@router.get("/")
async def show_effects(
    request: Request,
    wiring: WiringDep,
    q: Annotated[str, Query(max_length=300)] = "",
    offset: Annotated[int, Query(ge=0, lt=2**31)] = 0,
) -> Response:
    """List the effects; `q` is a part of name or description."""
    person = await visitor(request, wiring)
    async with wiring.sessions.begin() as session:
        found, total = await repository.catalogue(session, q=clean(q.strip()), limit=EFFECTS_ON_A_PAGE, offset=offset)
        effects = [service.public_view(effect) for effect in found]
    context = {
        "visitor": person,
        "balance": await balance_of(wiring, person),
        "effects": effects,
        "total": total,
        "q": q,
        "offset": offset,
        "limit": EFFECTS_ON_A_PAGE,
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
