"""What happens to bytes that have come: they are read, their digest is compared, and they become an asset.

Every step can be done again: a control plane that dies in the middle leaves an upload that another goes on with.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from comfyfleet import names
from comfyfleet.cloud.ports import StoredObject
from comfyfleet.core.assets import AssetKind, guess_kind
from comfyfleet.core.errors import FleetError, Forbidden, Unavailable
from comfyfleet.core.keys import ObjectNotFound
from comfyfleet.protocol.library import UploadState
from comfyfleet.server.assets import repository
from comfyfleet.server.assets.errors import BytesLost, DigestWrong
from comfyfleet.server.assets.holding import Hold
from comfyfleet.server.assets.inspection import Inspection, inspect
from comfyfleet.server.assets.reading import digests_of, open_object
from comfyfleet.server.assets.uploads import parted_of
from comfyfleet.server.audit import service as audit
from comfyfleet.server.models import Asset, AssetUpload
from comfyfleet.server.wiring import Wiring

log = logging.getLogger(__name__)

_RETRY: Final = timedelta(seconds=15)
_NOT_THE_BYTES: Final = (Unavailable, Forbidden, ObjectNotFound)
"""The store is away or refuses us, or somebody who lost the hold without knowing has moved the bytes: try later."""


@dataclass(frozen=True)
class Arrived:
    """What was found in the bytes that came."""

    sha256: str
    head_sha256: str
    kind: AssetKind
    inspection: Inspection


async def verify(wiring: Wiring, hold: Hold) -> None:
    """Bring an upload that we hold to its end: an asset, or a refusal that says why. Raises `HoldLost`."""
    try:
        problem = hold.upload.problem  # of an attempt that died before it had removed the bytes
        problem = problem or await _find_problem(wiring, hold)
        if problem is not None:
            await refuse(wiring, hold, problem)
    except _NOT_THE_BYTES as error:
        log.warning("verifying the upload %s is put off: %s", hold.upload.id, error)
        await put_off(wiring, hold)


async def put_off(wiring: Wiring, hold: Hold) -> None:
    """Let whoever looks in a while go on."""
    await hold.change(lease_expires_at=wiring.clock() + _RETRY)


async def refuse(wiring: Wiring, hold: Hold, problem: str) -> None:
    """End an upload without an asset, and remove its bytes."""
    upload = hold.upload
    await hold.change(problem=problem)
    await _drop_bytes(wiring, upload)
    async with hold.transaction(state=UploadState.REFUSED, lease_expires_at=None) as session:
        detail = {"filename": upload.filename, "upload_id": str(upload.id), "problem": problem}
        subject = upload.expected_sha256 or str(upload.id)
        await audit.record_for(session, upload.created_by, upload.tenant_id, "asset.refuse", subject, detail)


async def _find_problem(wiring: Wiring, hold: Hold) -> str | None:
    """Make the bytes an asset, or say what is wrong with them."""
    try:
        if not await _is_known(wiring, hold):
            await _verify(wiring, hold)
    except _NOT_THE_BYTES:
        raise
    except FleetError as error:
        return str(error)
    return None


async def _is_known(wiring: Wiring, hold: Hold) -> bool:
    """End an upload of bytes that the library has got by now: they need not be read."""
    upload = hold.upload
    if upload.expected_sha256 is None:
        return False
    async with repository.alone_with(wiring.engine, upload.expected_sha256):
        asset = await _find(wiring, upload.expected_sha256)
        if asset is None or asset.size != upload.size:
            return False
        await _end_as_known(wiring, hold, asset)
        return True


async def _verify(wiring: Wiring, hold: Hold) -> None:
    stored = await _bytes_of(wiring, hold.upload)
    arrived = await _read(wiring, hold, stored)
    async with repository.alone_with(wiring.engine, arrived.sha256):
        asset = await _find(wiring, arrived.sha256)
        if asset is not None:
            await _end_as_known(wiring, hold, asset)
            return
        key = names.asset_key(arrived.kind, arrived.sha256)
        # Written before the bytes move, so that whoever goes on after a crash knows where to look.
        await hold.change(kind=arrived.kind, expected_sha256=arrived.sha256, verified_bytes=stored.size)
        await _move(wiring, stored.key, key)
        await _record(hold, arrived, key)


async def _bytes_of(wiring: Wiring, upload: AssetUpload) -> StoredObject:
    """Return the object that holds the bytes: where they came in, or where an earlier attempt has moved them."""
    parted = parted_of(upload)
    keys = [parted.key]
    if upload.kind is not None and upload.expected_sha256 is not None:
        keys.append(names.asset_key(upload.kind, upload.expected_sha256))
    try:
        await asyncio.to_thread(wiring.model_parts.complete, parted)
    except ObjectNotFound:
        log.info("the upload %s was completed before", upload.id)
    for key in keys:
        found = await asyncio.to_thread(wiring.models.head, key)
        if found is not None:
            return found
    raise BytesLost("The bytes are not in the store any more.", hint="Upload the file again.")


async def _read(wiring: Wiring, hold: Hold, stored: StoredObject) -> Arrived:
    upload = hold.upload
    if stored.size != upload.size:
        raise DigestWrong(
            f"{stored.size:,} bytes came, and {upload.size:,} were announced.", hint="Upload the file again."
        )
    sha256, head_sha256 = await digests_of(wiring.models, stored.key, stored.size, hold.verified)
    if upload.expected_sha256 not in {sha256, None}:
        raise DigestWrong(
            f"The bytes that came have the digest {sha256}, and {upload.expected_sha256} was announced.",
            hint="Upload the file again; if it happens again, the file changes while it is read.",
        )
    inspection = await asyncio.to_thread(_inspect, wiring, upload, stored)
    kind = AssetKind(upload.kind) if upload.kind else inspection.suggested_kind or guess_kind(upload.filename)
    return Arrived(sha256, head_sha256, kind, inspection)


def _inspect(wiring: Wiring, upload: AssetUpload, stored: StoredObject) -> Inspection:
    with open_object(wiring.models, stored.key, stored.size) as file:
        kind = AssetKind(upload.kind) if upload.kind else guess_kind(upload.filename)
        return inspect(file, upload.filename, stored.size, kind)


async def _move(wiring: Wiring, source: str, key: str) -> None:
    """Give verified bytes the key of their digest. What lies there has no asset: a crash left it, or a hand."""
    if source == key or await asyncio.to_thread(wiring.model_index.move, source, key):
        return
    log.warning("replacing %s, which no asset has", key)
    await asyncio.to_thread(wiring.models.delete, key)
    if not await asyncio.to_thread(wiring.model_index.move, source, key):
        raise Unavailable(f"Somebody else writes '{key}'.", hint="Try again.")


async def _record(hold: Hold, arrived: Arrived, key: str) -> None:
    upload = hold.upload
    ended = {"state": UploadState.STORED, "asset_sha256": arrived.sha256, "lease_expires_at": None}
    async with hold.transaction(**ended) as session:
        asset = Asset(
            sha256=arrived.sha256,
            kind=arrived.kind,
            size=upload.size,
            head_sha256=arrived.head_sha256,
            object_key=key,
            notes=upload.notes,
            license=upload.license,
            source_url=upload.source_url,
            inspection=arrived.inspection.to_document(),
            is_quarantined=arrived.inspection.is_quarantined,
            created_by=upload.created_by,
        )
        await repository.add(session, asset)
        await repository.add_name(session, asset, upload.filename)
        detail = {
            "filename": upload.filename,
            "kind": arrived.kind,
            "size": upload.size,
            "is_quarantined": asset.is_quarantined,
        }
        await audit.record_for(session, upload.created_by, upload.tenant_id, "asset.add", asset.sha256, detail)


async def _end_as_known(wiring: Wiring, hold: Hold, asset: Asset) -> None:
    upload = hold.upload
    await _drop_bytes(wiring, upload, keep=asset.object_key)
    ended = {"state": UploadState.STORED, "asset_sha256": asset.sha256, "lease_expires_at": None}
    async with hold.transaction(**ended) as session:
        await repository.add_name(session, await session.merge(asset), upload.filename)
        detail = {"filename": upload.filename, "was_known": True}
        await audit.record_for(session, upload.created_by, upload.tenant_id, "asset.add", asset.sha256, detail)


async def _drop_bytes(wiring: Wiring, upload: AssetUpload, *, keep: str | None = None) -> None:
    """Remove what came; and, where the asset's key is known, what an attempt that died had put elsewhere."""
    parted = parted_of(upload)
    await asyncio.to_thread(wiring.model_parts.abort, parted)
    await asyncio.to_thread(wiring.models.delete, parted.key)
    if keep is not None and upload.kind is not None and upload.expected_sha256 is not None:
        moved = names.asset_key(upload.kind, upload.expected_sha256)
        if moved != keep:
            await asyncio.to_thread(wiring.models.delete, moved)


async def _find(wiring: Wiring, sha256: str) -> Asset | None:
    async with wiring.sessions.begin() as session:
        return await repository.by_sha256(session, sha256)
