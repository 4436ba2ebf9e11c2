"""Users' uploads that come in parts, so that one goes on after a lost connection."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from comfyfleet.cloud.ports import PartedUpload, SignedRequest
from comfyfleet.core.assets import MIB, part_size_of
from comfyfleet.core.errors import Conflict, Invalid
from comfyfleet.core.keys import ObjectNotFound
from comfyfleet.protocol.api import NewUpload
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.models import Upload
from comfyfleet.server.uploads import repository, service
from comfyfleet.server.wiring import Wiring

_SMALLEST_PART: Final = 8 * MIB  # S3 takes 5 MiB at least; a phone on a slow line loses no more than one of these
_ABANDONED: Final = timedelta(days=7)


class PartUnknown(Invalid):
    """The upload has fewer parts."""

    code = "part_unknown"


class UploadLost(Conflict):
    """Storage no longer has the parts that were sent."""

    code = "upload_lost"


class UploadOver(Conflict):
    """The file has arrived."""

    code = "upload_over"


@dataclass(frozen=True)
class Standing:
    """An upload, and the numbers of the parts that storage has."""

    upload: Upload
    parted: PartedUpload
    received: list[int]


async def begin(wiring: Wiring, principal: Principal, new: NewUpload) -> Standing:
    """Make an upload that comes in parts."""
    upload = service.new_upload(wiring, principal, new)
    upload.part_size = part_size_of(new.size, _SMALLEST_PART)
    begun = await asyncio.to_thread(
        wiring.media_parts.begin,
        upload.object_key,
        content_type=new.content_type,
        size=new.size,
        part_size=upload.part_size,
    )
    upload.store_upload_id = begun.upload_id
    async with wiring.sessions.begin() as session:
        await repository.insert(session, upload)
    return Standing(upload, begun, [])


async def look(wiring: Wiring, principal: Principal, upload_id: str) -> Standing:
    """Return how far an upload of the caller's tenant is; raise `UploadLost` when its parts are gone."""
    upload = await service.find(wiring, principal, upload_id)
    parted = _parted_of(upload)
    if upload.stored_at is not None:
        return Standing(upload, parted, list(range(1, parted.part_count + 1)))
    try:
        received = await asyncio.to_thread(wiring.media_parts.parts, parted)
    except ObjectNotFound:
        raise UploadLost("Storage no longer has the parts of this upload.", hint="Upload the file again.") from None
    return Standing(upload, parted, sorted(received))


async def sign(
    wiring: Wiring, principal: Principal, upload_id: str, numbers: list[int]
) -> list[tuple[int, int, SignedRequest]]:
    """Return number, size and signed PUT of each part that is sent next; raise `PartUnknown` for one too many."""
    parted = _parted_of(await service.find(wiring, principal, upload_id))
    wanted = sorted(set(numbers))
    if wanted[-1] > parted.part_count:
        raise PartUnknown(f"The upload has {parted.part_count} parts, and no part {wanted[-1]}.", hint="Count from 1.")
    seconds = wiring.settings.upload_url_seconds

    def sign_all() -> list[tuple[int, int, SignedRequest]]:
        sign_part = wiring.media_parts.sign_part
        return [(one, parted.size_of(one), sign_part(parted, one, expires_seconds=seconds)) for one in wanted]

    return await asyncio.to_thread(sign_all)


async def complete(wiring: Wiring, principal: Principal, upload_id: str) -> Standing:
    """Make the file of its parts; a second call changes nothing. Raise `PartsMissing` while some are not there."""
    standing = await look(wiring, principal, upload_id)
    if standing.upload.stored_at is None:
        await asyncio.to_thread(wiring.media_parts.complete, standing.parted)
        await service.find(wiring, principal, upload_id)
    return await look(wiring, principal, upload_id)


async def abort(wiring: Wiring, principal: Principal, upload_id: str) -> None:
    """Drop an upload and its parts; raise `UploadOver` once it is complete, for jobs may use it."""
    upload = await service.find(wiring, principal, upload_id)
    if upload.stored_at is not None:
        raise UploadOver(f"'{upload.filename}' has arrived.", hint="Leave it: nothing uses it unless a job does.")
    await _drop(wiring, upload)


async def abort_abandoned(wiring: Wiring) -> int:
    """Drop uploads in parts that were begun a week ago and never completed; return how many."""
    async with wiring.sessions.begin() as session:
        abandoned = await repository.abandoned(session, wiring.clock() - _ABANDONED)
    for upload in abandoned:
        await _drop(wiring, upload)
    return len(abandoned)


async def _drop(wiring: Wiring, upload: Upload) -> None:
    await asyncio.to_thread(wiring.media_parts.abort, _parted_of(upload))
    async with wiring.sessions.begin() as session:
        await repository.delete_upload(session, upload.id)


def _parted_of(upload: Upload) -> PartedUpload:
    if upload.store_upload_id is None or upload.part_size is None:
        raise PartUnknown("This upload does not come in parts.", hint="PUT it to its URL.")
    return PartedUpload(upload.object_key, upload.store_upload_id, upload.content_type, upload.size, upload.part_size)
