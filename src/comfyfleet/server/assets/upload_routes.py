"""Uploads into the library over HTTP, for administrators. The bytes themselves go straight to the store."""

from fastapi import APIRouter, Request

from comfyfleet.protocol import library
from comfyfleet.protocol.envelope import Envelope
from comfyfleet.server.assets import importing, uploads
from comfyfleet.server.assets.arrivals import Arrivals
from comfyfleet.server.assets.views import upload_view
from comfyfleet.server.auth.dependencies import Operator, Viewer, WiringDep, absolute

router = APIRouter(prefix="/api/assets", tags=["assets"])


@router.post("/uploads", status_code=201)
async def begin_upload(
    body: library.NewAssetUpload, operator: Operator, wiring: WiringDep
) -> Envelope[library.AssetUploadView]:
    """Begin an upload, or go on with an unfinished one of the same file; known bytes are stored at once."""
    return Envelope(data=upload_view(await uploads.begin(wiring, operator, body)))


@router.get("/uploads/{upload_id}")
async def show_upload(upload_id: str, viewer: Viewer, wiring: WiringDep) -> Envelope[library.AssetUploadView]:
    """Show how far an upload is."""
    return Envelope(data=upload_view(await uploads.find(wiring, viewer, upload_id)))


@router.post("/uploads/{upload_id}/parts")
async def sign_parts(
    upload_id: str, body: library.WantedParts, request: Request, operator: Operator, wiring: WiringDep
) -> Envelope[list[library.SignedPart]]:
    """Ask where to PUT parts."""
    signed = await uploads.sign_parts(wiring, operator, upload_id, body.numbers)
    return Envelope(
        data=[
            library.SignedPart(number=number, size=size, url=absolute(request, put.url), headers=put.headers)
            for number, size, put in signed
        ]
    )


@router.post("/uploads/{upload_id}/complete")
async def complete_upload(
    upload_id: str, body: library.FinishedUpload, request: Request, operator: Operator, wiring: WiringDep
) -> Envelope[library.AssetUploadView]:
    """Say that all parts were sent; the control plane reads and inspects them before they become an asset."""
    standing = await uploads.complete(wiring, operator, upload_id, body.sha256)
    _arrivals(request).wake()
    return Envelope(data=upload_view(standing))


@router.delete("/uploads/{upload_id}")
async def abort_upload(upload_id: str, operator: Operator, wiring: WiringDep) -> Envelope[None]:
    """Drop an unfinished upload."""
    await uploads.abort(wiring, operator, upload_id)
    return Envelope(data=None)


@router.post("/imports", status_code=201)
async def import_url(
    body: library.NewAssetImport, request: Request, operator: Operator, wiring: WiringDep
) -> Envelope[library.AssetUploadView]:
    """Bring a file from a URL into the library."""
    standing = await importing.begin(wiring, operator, body)
    _arrivals(request).wake()
    return Envelope(data=upload_view(standing))


def _arrivals(request: Request) -> Arrivals:
    arrivals: Arrivals = request.app.state.arrivals
    return arrivals
