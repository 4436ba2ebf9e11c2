"""The verbs of uploads into the library: begin, sign, complete, abort."""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from comfyfleet import names
from comfyfleet.cloud.ports import PartedUpload, SignedRequest
from comfyfleet.core.assets import part_size_of
from comfyfleet.core.keys import ObjectNotFound, PartsMissing
from comfyfleet.protocol.library import NewAssetUpload, UploadState
from comfyfleet.server.assets import repository, upload_repository
from comfyfleet.server.assets.errors import (
    AssetNotFound,
    AssetUploadNotFound,
    AssetUploadOver,
    DigestWrong,
    PartUnknown,
)
from comfyfleet.server.audit import service as audit
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.models import Asset, AssetUpload
from comfyfleet.server.wiring import Wiring

CONTENT_TYPE: Final = "application/octet-stream"
_ABANDONED: Final = timedelta(days=7)


@dataclass(frozen=True)
class Standing:
    """How far an upload is: which parts the store has, and the asset once there is one."""

    upload: AssetUpload
    received: dict[int, int]
    asset: Asset | None = None
    may_be_known: bool = False


async def begin(wiring: Wiring, principal: Principal, new: NewAssetUpload) -> Standing:
    """Begin an upload, or go on with an unfinished one of the same file.

    Bytes that the library has are not sent again: given their digest, the upload is stored at once. Nor are those that
    were sent and are being verified: who asks again for the same file, by its digest, is told of that upload.

    Raises:
        DigestWrong: The library has that digest, of another size.
    """
    new = storable(new)
    async with wiring.sessions.begin() as session:
        known = await repository.by_sha256(session, new.sha256) if new.sha256 else None
        is_one_like_it = await repository.is_any_like(session, new.size, new.head_sha256)
        verifying = await upload_repository.verifying(session, principal.tenant_id, new.size, new.head_sha256)
        found = await upload_repository.resumable(session, principal.tenant_id, new.filename, new.size, new.head_sha256)
    if known is not None:
        return await store_known(wiring, principal, new, known, found)
    for upload in verifying:
        if new.sha256 is not None and (upload.expected_sha256, upload.filename) == (new.sha256, new.filename):
            return Standing(upload, {})
    standing = await _resume(wiring, found, new) if found is not None else None
    if standing is None:
        standing = Standing(await insert_upload(wiring, principal, new), {})
    return replace(standing, may_be_known=(is_one_like_it or bool(verifying)) and new.sha256 is None)


async def find(wiring: Wiring, principal: Principal, upload_id: str) -> Standing:
    """Return how far an upload of the caller's tenant is."""
    async with wiring.sessions.begin() as session:
        upload = await upload_repository.find(session, principal.tenant_id, _parse(upload_id))
        if upload is None:
            raise _not_found(upload_id)
        asset = await repository.by_sha256(session, upload.asset_sha256) if upload.asset_sha256 else None
    if upload.state != UploadState.RECEIVING:
        return Standing(upload, {}, asset)
    return await look(wiring, upload) or Standing(upload, {})


async def sign_parts(
    wiring: Wiring, principal: Principal, upload_id: str, numbers: list[int]
) -> list[tuple[int, int, SignedRequest]]:
    """Return number, size and signed PUT of each part that is sent next.

    Raises:
        PartUnknown: The upload has fewer parts.
        AssetUploadOver: It takes no more.
    """
    upload = (await find_receiving(wiring, principal, upload_id)).upload
    parted = parted_of(upload)
    wanted = sorted(set(numbers))
    if wanted[-1] > parted.part_count:
        raise PartUnknown(f"The upload has {parted.part_count} parts, and no part {wanted[-1]}.", hint="Count from 1.")
    async with wiring.sessions.begin() as session:
        await upload_repository.change(session, upload.id, UploadState.RECEIVING, touched_at=wiring.clock())

    def sign() -> list[tuple[int, int, SignedRequest]]:
        seconds = wiring.settings.upload_url_seconds
        return [
            (number, parted.size_of(number), wiring.model_parts.sign_part(parted, number, expires_seconds=seconds))
            for number in wanted
        ]

    return await asyncio.to_thread(sign)


async def complete(wiring: Wiring, principal: Principal, upload_id: str, sha256: str) -> Standing:
    """Say that all parts were sent; from here on the control plane verifies. A second call changes nothing.

    Raises:
        PartsMissing: Not all parts have arrived.
    """
    standing = await find(wiring, principal, upload_id)
    if standing.upload.state != UploadState.RECEIVING:
        return standing
    parted = parted_of(standing.upload)
    missing = parted.part_count - len(standing.received)
    if missing:
        raise PartsMissing(f"{missing} of {parted.part_count} parts have not arrived.", hint="Send them first.")
    async with wiring.sessions.begin() as session:
        await upload_repository.change(
            session,
            standing.upload.id,
            UploadState.RECEIVING,
            state=UploadState.VERIFYING,
            expected_sha256=sha256,
            touched_at=wiring.clock(),
        )
    return await find(wiring, principal, upload_id)


async def abort(wiring: Wiring, principal: Principal, upload_id: str) -> None:
    """Drop an unfinished upload and its parts; raise `AssetUploadOver` for another."""
    upload = (await find_receiving(wiring, principal, upload_id)).upload
    if not await _drop(wiring, upload, f"{principal.actor} canceled the upload."):
        raise AssetUploadOver("This upload has just been completed.", hint="Delete the asset that it becomes.")
    async with wiring.sessions.begin() as session:
        await audit.record(session, principal, "asset.cancel", str(upload.id), {"filename": upload.filename})


async def abort_abandoned(wiring: Wiring) -> int:
    """Drop uploads that nobody has gone on with for a week; return how many."""
    async with wiring.sessions.begin() as session:
        found = await upload_repository.abandoned(session, wiring.clock() - _ABANDONED)
    return sum([await _drop(wiring, upload, "Nobody went on with the upload for a week.") for upload in found])


async def find_receiving(wiring: Wiring, principal: Principal, upload_id: str) -> Standing:
    """Return an upload that still takes parts; raise `AssetUploadOver` for another."""
    standing = await find(wiring, principal, upload_id)
    if standing.upload.state != UploadState.RECEIVING:
        raise AssetUploadOver(f"This upload is {standing.upload.state}.", hint="Begin a new one.")
    return standing


async def look(wiring: Wiring, upload: AssetUpload) -> Standing | None:
    """Ask the store for the parts that it has; None when it no longer knows the upload."""
    try:
        return Standing(upload, await asyncio.to_thread(wiring.model_parts.parts, parted_of(upload)))
    except ObjectNotFound:
        return None


def parted_of(upload: AssetUpload) -> PartedUpload:
    """Return an upload as the store knows it."""
    key = names.incoming_key(str(upload.id))
    return PartedUpload(key, upload.store_upload_id, CONTENT_TYPE, upload.size, upload.part_size)


async def insert_upload(
    wiring: Wiring,
    principal: Principal,
    new: NewAssetUpload,
    *,
    import_url: str | None = None,
    import_etag: str | None = None,
    asset: Asset | None = None,
) -> AssetUpload:
    """Make an upload in the store and in the database; for an asset that is known, in the database only."""
    upload_id, part_size = uuid4(), part_size_of(new.size)
    store_upload_id = ""
    if asset is None:
        begun = await asyncio.to_thread(
            wiring.model_parts.begin,
            names.incoming_key(str(upload_id)),
            content_type=CONTENT_TYPE,
            size=new.size,
            part_size=part_size,
        )
        store_upload_id = begun.upload_id
    upload = AssetUpload(
        id=upload_id,
        tenant_id=principal.tenant_id,
        state=UploadState.STORED if asset else UploadState.RECEIVING,
        filename=new.filename,
        size=new.size,
        part_size=part_size,
        head_sha256=new.head_sha256,
        expected_sha256=new.sha256,
        kind=new.kind,
        notes=new.notes,
        license=new.license,
        source_url=new.source_url,
        import_url=import_url,
        import_etag=import_etag,
        store_upload_id=store_upload_id,
        asset_sha256=asset.sha256 if asset else None,
        created_by=principal.actor,
        touched_at=wiring.clock(),
    )
    async with wiring.sessions.begin() as session:
        await upload_repository.insert(session, upload)
    return upload


async def _resume(wiring: Wiring, upload: AssetUpload, new: NewAssetUpload) -> Standing | None:
    """Go on with an upload; what is said of it now counts. None when its parts are gone, or it was just completed."""
    standing = await look(wiring, upload)
    if standing is None:
        await _drop(wiring, upload, "The store has dropped the parts that were sent.")
        return None
    said = {"kind": new.kind, "notes": new.notes, "license": new.license, "source_url": new.source_url}
    values = {name: value for name, value in said.items() if value}
    async with wiring.sessions.begin() as session:
        is_open = await upload_repository.change(
            session, upload.id, UploadState.RECEIVING, touched_at=wiring.clock(), expected_sha256=new.sha256, **values
        )
    return standing if is_open else None


async def store_known(
    wiring: Wiring, principal: Principal, new: NewAssetUpload, asset: Asset, unfinished: AssetUpload | None = None
) -> Standing:
    """Add a name to an asset that the library has, and make an upload that is stored without any bytes."""
    if asset.size != new.size:
        raise DigestWrong(
            f"The library has the digest {asset.sha256} with {asset.size:,} bytes, and this file has {new.size:,}.",
            hint="Hash the file again.",
        )
    async with wiring.sessions.begin() as session:
        present = await repository.by_sha256(session, asset.sha256)
        if present is None:
            raise AssetNotFound("The asset has just been deleted.", hint="Try again.")
        await repository.add_name(session, present, new.filename)
        detail = {"filename": new.filename, "was_known": True}
        await audit.record(session, principal, "asset.add", asset.sha256, detail)
    if unfinished is not None:
        await _drop(wiring, unfinished, "The library has these bytes already.")
    return Standing(await insert_upload(wiring, principal, new, asset=present), {}, present)


async def _drop(wiring: Wiring, upload: AssetUpload, problem: str) -> bool:
    """End an upload that takes parts, and drop them; return False, and leave it, when it has been completed since."""
    async with wiring.sessions.begin() as session:
        is_ours = await upload_repository.change(
            session, upload.id, UploadState.RECEIVING, state=UploadState.REFUSED, problem=problem, lease_expires_at=None
        )
    if is_ours:
        await asyncio.to_thread(wiring.model_parts.abort, parted_of(upload))
    return is_ours


def storable(new: NewAssetUpload) -> NewAssetUpload:
    """Leave out what Postgres cannot store."""
    texts = {name: getattr(new, name).replace("\x00", "") for name in ("filename", "notes", "license")}
    return new.model_copy(update=texts)


def _parse(upload_id: str) -> UUID:
    try:
        return UUID(upload_id)
    except ValueError:
        raise _not_found(upload_id) from None


def _not_found(upload_id: str) -> AssetUploadNotFound:
    return AssetUploadNotFound(f"There is no upload '{upload_id[:80]}'.", hint="Begin a new one.")
