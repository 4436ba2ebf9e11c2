"""Uploads in parts over HTTP. The bytes themselves go straight to the store."""

from fastapi import APIRouter, Request

from comfyfleet.protocol.api import NewUpload
from comfyfleet.protocol.envelope import Envelope
from comfyfleet.protocol.library import SignedPart, WantedParts
from comfyfleet.protocol.uploads import PartedUploadView
from comfyfleet.server.auth.dependencies import SignedIn, WiringDep, absolute
from comfyfleet.server.uploads import parted
from comfyfleet.server.uploads.parted import Standing

router = APIRouter(prefix="/parted")


@router.post("", status_code=201)
async def begin_upload(body: NewUpload, principal: SignedIn, wiring: WiringDep) -> Envelope[PartedUploadView]:
    """Begin an upload that comes in parts."""
    return Envelope(data=_view(await parted.begin(wiring, principal, body)))


@router.get("/{upload_id}")
async def show_upload(upload_id: str, principal: SignedIn, wiring: WiringDep) -> Envelope[PartedUploadView]:
    """Show how far an upload is."""
    return Envelope(data=_view(await parted.look(wiring, principal, upload_id)))


@router.post("/{upload_id}/parts")
async def sign_parts(
    upload_id: str, body: WantedParts, request: Request, principal: SignedIn, wiring: WiringDep
) -> Envelope[list[SignedPart]]:
    """Ask where to PUT parts."""
    signed = await parted.sign(wiring, principal, upload_id, body.numbers)
    return Envelope(
        data=[
            SignedPart(number=number, size=size, url=absolute(request, put.url), headers=put.headers)
            for number, size, put in signed
        ]
    )


@router.post("/{upload_id}/complete")
async def complete_upload(upload_id: str, principal: SignedIn, wiring: WiringDep) -> Envelope[PartedUploadView]:
    """Say that all parts were sent."""
    return Envelope(data=_view(await parted.complete(wiring, principal, upload_id)))


@router.delete("/{upload_id}")
async def abort_upload(upload_id: str, principal: SignedIn, wiring: WiringDep) -> Envelope[None]:
    """Drop an upload that is not wanted any more, and its parts."""
    await parted.abort(wiring, principal, upload_id)
    return Envelope(data=None, message="Dropped.")


def _view(standing: Standing) -> PartedUploadView:
    return PartedUploadView(
        upload_id=str(standing.upload.id),
        filename=standing.upload.filename,
        size=standing.upload.size,
        part_size=standing.parted.part_size,
        part_count=standing.parted.part_count,
        received=standing.received,
        is_stored=standing.upload.stored_at is not None,
    )
