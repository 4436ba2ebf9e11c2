"""The verbs of uploads."""

import asyncio
from collections.abc import Iterable
from uuid import UUID, uuid4

from comfyfleet import names
from comfyfleet.cloud.ports import SignedRequest
from comfyfleet.core.errors import Conflict, Invalid, NotFound
from comfyfleet.protocol.api import NewUpload
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.models import Upload
from comfyfleet.server.uploads import repository
from comfyfleet.server.wiring import Wiring


class UploadNotFound(NotFound):
    """No such upload of this tenant."""

    code = "upload_not_found"


class UploadTooLarge(Invalid):
    """The file is larger than the limit."""

    code = "upload_too_large"


class UploadIncomplete(Conflict):
    """The bytes have not arrived."""

    code = "upload_incomplete"


async def create(wiring: Wiring, principal: Principal, new: NewUpload) -> tuple[Upload, SignedRequest]:
    """Make an upload and sign the request that stores its bytes."""
    upload = new_upload(wiring, principal, new)
    async with wiring.sessions.begin() as session:
        await repository.insert(session, upload)
    signed = wiring.media.sign_put(
        upload.object_key,
        expires_seconds=wiring.settings.upload_url_seconds,
        content_type=new.content_type,
        size=new.size,
    )
    return upload, signed


def new_upload(wiring: Wiring, principal: Principal, new: NewUpload) -> Upload:
    """Return an upload that is not stored yet; raise `UploadTooLarge`."""
    limit = wiring.settings.max_upload_bytes
    if new.size > limit:
        raise UploadTooLarge(f"The file has {new.size:,} bytes.", hint=f"Upload at most {limit:,} bytes.")
    upload_id = uuid4()
    return Upload(
        id=upload_id,
        tenant_id=principal.tenant_id,
        filename=new.filename.replace("\x00", ""),
        content_type=new.content_type,
        size=new.size,
        object_key=names.upload_key(str(principal.tenant_id), str(upload_id), new.filename),
    )


async def find(wiring: Wiring, principal: Principal, upload_id: str) -> Upload:
    """Return an upload of the caller's tenant, after a look whether its bytes have arrived."""
    upload = (await _find_all(wiring, principal.tenant_id, [upload_id]))[upload_id]
    await _look(wiring, [upload])
    return upload


async def require_stored(wiring: Wiring, principal: Principal, upload_ids: Iterable[str]) -> dict[str, Upload]:
    """Return the caller's uploads by id; raise `UploadNotFound` or `UploadIncomplete` for one that cannot be used."""
    uploads = await _find_all(wiring, principal.tenant_id, list(upload_ids))
    await _look(wiring, uploads.values())
    for upload in uploads.values():
        if upload.stored_at is None:
            raise UploadIncomplete(
                f"The bytes of '{upload.filename}' have not arrived.", hint="PUT them to the URL of the upload first."
            )
    return uploads


async def _find_all(wiring: Wiring, tenant_id: UUID, upload_ids: list[str]) -> dict[str, Upload]:
    parsed = {upload_id: _parse(upload_id) for upload_id in upload_ids}
    async with wiring.sessions.begin() as session:
        found = await repository.find(session, tenant_id, parsed.values())
    missing = [upload_id for upload_id, key in parsed.items() if key not in found]
    if missing:
        raise UploadNotFound(f"There is no upload '{missing[0][:80]}'.", hint="Upload the file first.")
    return {upload_id: found[key] for upload_id, key in parsed.items()}


async def _look(wiring: Wiring, uploads: Iterable[Upload]) -> None:
    waiting = [upload for upload in uploads if upload.stored_at is None]
    arrived = []
    for upload in waiting:
        stored = await asyncio.to_thread(wiring.media.head, upload.object_key)
        if stored is not None and stored.size == upload.size:
            arrived.append(upload)
    if not arrived:
        return
    now = wiring.clock()
    async with wiring.sessions.begin() as session:
        await repository.mark_stored(session, [upload.id for upload in arrived], now)
    for upload in arrived:
        upload.stored_at = now


def _parse(upload_id: str) -> UUID:
    try:
        return UUID(upload_id)
    except ValueError:
        raise UploadNotFound(f"'{upload_id[:80]}' is no upload's id.", hint="Upload the file first.") from None
