"""One asset, and an import on its way."""

from typing import Annotated, Final

from fastapi import APIRouter, Form, Request, Response

from comfyfleet.core.assets import AssetKind
from comfyfleet.protocol.library import AssetPatch
from comfyfleet.server.assets import repository, service, uploads
from comfyfleet.server.assets.views import asset_view, upload_view
from comfyfleet.server.audit import repository as audit
from comfyfleet.server.auth.dependencies import Operator, Transaction, Viewer, WiringDep
from comfyfleet.web.acts import details_of
from comfyfleet.web.admin import render_admin
from comfyfleet.web.findings import dangers_of, findings_of
from comfyfleet.web.forms import validated
from comfyfleet.web.notices import done

router = APIRouter(prefix="/admin/comfyui/assets", include_in_schema=False)

_ACTS_SHOWN: Final = 50
_USES_SHOWN: Final = 50

Line = Annotated[str, Form(max_length=5000)]


@router.get("/imports/{upload_id}")
async def show_import(request: Request, upload_id: str, viewer: Viewer, wiring: WiringDep) -> Response:
    """Show how far an import is."""
    upload = upload_view(await uploads.find(wiring, viewer, upload_id))
    return render_admin(request, viewer, "assets/import.html", {"upload": upload})


@router.post("/imports/{upload_id}/cancel")
async def cancel_import(request: Request, upload_id: str, operator: Operator, wiring: WiringDep) -> Response:
    """Stop an import whose bytes have not all come."""
    await uploads.abort(wiring, operator, upload_id)
    return done(request, "/admin/comfyui/assets", "The import was canceled.")


@router.get("/{reference}")
async def show_asset(request: Request, reference: str, viewer: Viewer, session: Transaction) -> Response:
    """Show an asset by id, digest or name."""
    asset = await service.find(session, reference)
    uses = await repository.uses(session, [asset.id])
    view = asset_view(asset, uses[asset.id])
    acts = await audit.entries(session, subject=asset.sha256, action=None, before=None, limit=_ACTS_SHOWN)
    context = {
        "asset": view,
        "name": service.filename_of(asset),
        "released_by": asset.released_by,
        "findings": findings_of(view.inspection),
        "kinds": [kind.value for kind in AssetKind],
        "acts": [(entry, details_of(entry)) for entry in acts],
        "uses_shown": _USES_SHOWN,
        "dangers": dangers_of(asset),
    }
    return render_admin(request, viewer, "assets/asset.html", context)


@router.post("/{asset_id}")
async def update_asset(
    request: Request,
    asset_id: int,
    operator: Operator,
    wiring: WiringDep,
    kind: Line,
    notes: Line = "",
    license: Annotated[str, Form(max_length=200)] = "",  # noqa: A002 - the field's name
    source_url: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Change what is said of an asset."""
    patch = validated(AssetPatch, kind=kind, notes=notes, license=license, source_url=source_url.strip())
    await service.update(wiring, operator, str(asset_id), patch)
    return done(request, f"/admin/comfyui/assets/{asset_id}", "The asset was saved.")


@router.post("/{asset_id}/release")
async def release_asset(request: Request, asset_id: int, operator: Operator, session: Transaction) -> Response:
    """Let a quarantined asset be used."""
    await service.release(session, operator, str(asset_id))
    return done(request, f"/admin/comfyui/assets/{asset_id}", "The asset may be used now.")


@router.post("/{asset_id}/delete")
async def delete_asset(request: Request, asset_id: int, operator: Operator, wiring: WiringDep) -> Response:
    """Delete an asset that no bundle needs."""
    asset = await service.remove(wiring, operator, str(asset_id))
    return done(request, "/admin/comfyui/assets", f"{service.filename_of(asset)} was deleted.")
