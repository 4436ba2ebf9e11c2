"""Uploads over HTTP."""

from fastapi import APIRouter, Request

from comfyfleet.protocol import api
from comfyfleet.protocol.envelope import Envelope
from comfyfleet.server.auth.dependencies import SignedIn, WiringDep, absolute
from comfyfleet.server.uploads import parted_routes, service

router = APIRouter(prefix="/api/uploads", tags=["uploads"])
router.include_router(parted_routes.router)


@router.post("", status_code=201)
async def create_upload(
    body: api.NewUpload, request: Request, principal: SignedIn, wiring: WiringDep
) -> Envelope[api.UploadTicket]:
    """Ask where to PUT a file."""
    upload, signed = await service.create(wiring, principal, body)
    return Envelope(
        data=api.UploadTicket(
            upload_id=str(upload.id),
            put_url=absolute(request, signed.url),
            headers=signed.headers,
            expires_at=signed.expires_at,
        )
    )


@router.get("/{upload_id}")
async def show_upload(
    upload_id: str, request: Request, principal: SignedIn, wiring: WiringDep
) -> Envelope[api.UploadView]:
    """Show an upload, with a URL to its bytes once they have arrived."""
    upload = await service.find(wiring, principal, upload_id)
    url = None
    if upload.stored_at is not None:
        signed = wiring.media.sign_get(
            upload.object_key, expires_seconds=wiring.settings.download_url_seconds, filename=upload.filename
        )
        url = absolute(request, signed.url)
    return Envelope(
        data=api.UploadView(
            upload_id=str(upload.id),
            filename=upload.filename,
            content_type=upload.content_type,
            size=upload.size,
            is_stored=upload.stored_at is not None,
            url=url,
        )
    )
