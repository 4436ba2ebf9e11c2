"""Bundles: the list, one of them, its manifest, and what changes from one to another."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from comfyfleet import names
from comfyfleet.core.bundles import compare
from comfyfleet.server.auth.dependencies import Operator, Transaction, Viewer, WiringDep
from comfyfleet.server.bundles import repository, service, views
from comfyfleet.server.bundles.finding import find
from comfyfleet.web.admin import render_admin
from comfyfleet.web.notices import done
from comfyfleet.web.templating import clean

router = APIRouter(prefix="/admin/comfyui/bundles", include_in_schema=False)

BUNDLES_ON_A_PAGE: Final = 50
_OTHERS_TO_COMPARE: Final = 50

Text = Annotated[str, Query(max_length=300)]
Offset = Annotated[int, Query(ge=0, lt=2**31)]
Reference = Annotated[str, Query(max_length=1000)]


@router.get("")
async def show_bundles(
    request: Request, viewer: Viewer, session: Transaction, q: Text = "", offset: Offset = 0
) -> Response:
    """List bundles, newest first."""
    found, total = await repository.newest(session, q=clean(q.strip()), limit=BUNDLES_ON_A_PAGE, offset=offset)
    active_in = await repository.active_in(session, [bundle.id for bundle in found])
    context = {
        "bundles": [views.summary(bundle, active_in[bundle.id]) for bundle in found],
        "q": q,
        "offset": offset,
        "limit": BUNDLES_ON_A_PAGE,
        "total": total,
    }
    return render_admin(request, viewer, "bundles/list.html", context)


@router.get("/{reference}")
async def show_bundle(request: Request, reference: str, viewer: Viewer, session: Transaction) -> Response:
    """Show a bundle and its assets."""
    bundle = await find(session, reference)
    others, _ = await repository.newest(session, limit=_OTHERS_TO_COMPARE, offset=0)
    context = {
        "bundle": views.whole(bundle, (await repository.active_in(session, [bundle.id]))[bundle.id]),
        "label": views.label(bundle),
        "key": names.manifest_key(str(bundle.id)),
        "others": [views.reference(other) for other in others if other.id != bundle.id],
    }
    return render_admin(request, viewer, "bundles/bundle.html", context)


@router.get("/{reference}/manifest")
async def show_manifest(request: Request, reference: str, viewer: Viewer, wiring: WiringDep) -> Response:
    """Show a bundle's manifest as it lies in the store, checked against its digest."""
    async with wiring.sessions.begin() as session:
        bundle = await find(session, reference)
    content = (await service.read_manifest(wiring, bundle)).decode()
    context = {"bundle": views.summary(bundle, []), "label": views.label(bundle), "content": content}
    return render_admin(request, viewer, "bundles/manifest.html", context)


@router.get("/{reference}/diff")
async def show_difference(
    request: Request, reference: str, viewer: Viewer, session: Transaction, before: Reference
) -> Response:
    """Show what changes from the bundle `before` to this one."""
    old, new = await find(session, before), await find(session, reference)
    change = compare(views.manifest_of(old), views.manifest_of(new))
    context = {"difference": views.difference(old, new, change), "before": views.label(old), "after": views.label(new)}
    return render_admin(request, viewer, "bundles/diff.html", context)


@router.post("/{reference}/delete")
async def delete_bundle(request: Request, reference: str, operator: Operator, wiring: WiringDep) -> Response:
    """Delete a bundle that no fleet points to; its assets stay."""
    bundle = await service.delete(wiring, operator, reference)
    return done(request, "/admin/comfyui/bundles", f"{views.label(bundle)} was deleted; its assets stay.")
