"""What happens to bytes that have come: they are read, their digest is compared, and they become an asset.

Every step can be done again: a control plane that dies in the middle leaves an upload that another goes on with.
"""

import asyncio
import hashlib
import logging
from datetime import timedelta
from typing import Any, Final

from comfyfleet import names
from comfyfleet.cloud.ports import StoredObject
from comfyfleet.core.assets import HEAD_BYTES, AssetKind, guess_kind
from comfyfleet.core.errors import FleetError, Unavailable
from comfyfleet.core.keys import ObjectNotFound
from comfyfleet.protocol.library import UploadState
from comfyfleet.server.assets import repository, upload_repository
from comfyfleet.server.assets.errors import DigestWrong
from comfyfleet.server.assets.inspection import Inspection, inspect
from comfyfleet.server.assets.reading import ObjectFile
from comfyfleet.server.assets.uploads import parted_of
from comfyfleet.server.audit import service as audit
from comfyfleet.server.models import AssetUpload
from comfyfleet.server.wiring import Wiring

log = logging.getLogger(__name__)

LEASE: Final = timedelta(seconds=60)
_PIECE_BYTES: Final = 8 * 2**20
_NOTE_EVERY: Final = 32  # pieces: a quarter of a GiB, well within the lease
_RETRY: Final = timedelta(seconds=15)


async def verify(wiring: Wiring, upload: AssetUpload) -> None:
    """Bring an upload, which we have claimed, to its end: an asset, or a refusal that says why."""
    try:
        await _verify(wiring, upload)
    except Unavailable as error:
        log.warning("verifying the upload %s is put off: %s", upload.id, error)
        await _note(wiring, upload, lease_expires_at=wiring.clock() + _RETRY)
    except FleetError as error:
        await _refuse(wiring, upload, str(error))


async def _verify(wiring: Wiring, upload: AssetUpload) -> None:
    stored = await _bytes_of(wiring, upload)
    sha256, head_sha256 = await _hash(wiring, upload, stored)
    if stored.size != upload.size or sha256 != upload.expected_sha256:
        raise DigestWrong(
            f"{stored.size:,} bytes came, with the digest {sha256}; announced were {upload.size:,} bytes with "
            f"{upload.expected_sha256}.",
            hint="Upload the file again; if it happens again, the file changes while it is read.",
        )
    inspection = await asyncio.to_thread(_inspect, wiring, upload, stored)
    kind = AssetKind(upload.kind) if upload.kind else inspection.suggested_kind or guess_kind(upload.filename)
    await _note(wiring, upload, kind=kind, verified_bytes=upload.size)
    key = await _move(wiring, stored, names.asset_key(kind, sha256), sha256)
    await _record(wiring, upload, sha256, head_sha256, kind, key, inspection)


async def _bytes_of(wiring: Wiring, upload: AssetUpload) -> StoredObject:
    """Return the object that holds the bytes: where they came in, or where an earlier attempt has moved them."""
    parted = parted_of(upload)
    try:
        await asyncio.to_thread(wiring.model_parts.complete, parted)
    except ObjectNotFound:
        if upload.kind is None or upload.expected_sha256 is None:
            raise
        moved = names.asset_key(upload.kind, upload.expected_sha256)
        found = await asyncio.to_thread(wiring.models.head, moved)
    else:
        found = await asyncio.to_thread(wiring.models.head, parted.key)
    if found is None:
        raise ObjectNotFound("The bytes are not in the store any more.", hint="Upload the file again.")
    return found


async def _hash(wiring: Wiring, upload: AssetUpload, stored: StoredObject) -> tuple[str, str]:
    """Return the digests of all bytes and of the first MiB; the next piece is read while one is hashed."""
    whole, head = hashlib.sha256(), hashlib.sha256()
    starts = range(0, stored.size, _PIECE_BYTES)
    coming = _read(wiring, stored, 0)
    for number, start in enumerate(starts):
        piece = await coming
        if start + _PIECE_BYTES < stored.size:
            coming = _read(wiring, stored, start + _PIECE_BYTES)
        if start == 0:
            head.update(piece[:HEAD_BYTES])
        await asyncio.to_thread(whole.update, piece)
        if number % _NOTE_EVERY == _NOTE_EVERY - 1:
            await _note(wiring, upload, verified_bytes=start + len(piece), lease_expires_at=wiring.clock() + LEASE)
    return whole.hexdigest(), head.hexdigest()


def _read(wiring: Wiring, stored: StoredObject, start: int) -> "asyncio.Task[bytes]":
    read = asyncio.to_thread(wiring.models.read, stored.key, start=start, length=_PIECE_BYTES)
    return asyncio.create_task(read)


def _inspect(wiring: Wiring, upload: AssetUpload, stored: StoredObject) -> Inspection:
    with ObjectFile(wiring.models, stored.key, stored.size) as file:
        kind = AssetKind(upload.kind) if upload.kind else guess_kind(upload.filename)
        return inspect(file, upload.filename, stored.size, kind)


async def _move(wiring: Wiring, stored: StoredObject, key: str, sha256: str) -> str:
    """Give the bytes the key of their digest; return it. Bytes that lie there already are read before they count."""
    if stored.key == key:
        return key
    async with wiring.sessions.begin() as session:
        known = await repository.by_sha256(session, sha256)
    if known is None and not await asyncio.to_thread(wiring.model_index.move, stored.key, key):
        await _replace_unless_right(wiring, stored, key, sha256)
    if known is not None:
        await asyncio.to_thread(wiring.models.delete, stored.key)
    return known.object_key if known else key


async def _replace_unless_right(wiring: Wiring, stored: StoredObject, key: str, sha256: str) -> None:
    """An object without an asset lies at the key: left by a crash, or put there by hand."""
    if await asyncio.to_thread(_digest_of, wiring, key) == sha256:
        await asyncio.to_thread(wiring.models.delete, stored.key)
        return
    log.warning("replacing %s, whose bytes are not those of its name", key)
    await asyncio.to_thread(wiring.models.delete, key)
    await asyncio.to_thread(wiring.model_index.move, stored.key, key)


def _digest_of(wiring: Wiring, key: str) -> str:
    digest, start = hashlib.sha256(), 0
    while piece := wiring.models.read(key, start=start, length=_PIECE_BYTES):
        digest.update(piece)
        start += len(piece)
    return digest.hexdigest()


async def _record(
    wiring: Wiring,
    upload: AssetUpload,
    sha256: str,
    head_sha256: str,
    kind: AssetKind,
    key: str,
    inspection: Inspection,
) -> None:
    values: dict[str, Any] = {
        "sha256": sha256,
        "kind": kind,
        "size": upload.size,
        "head_sha256": head_sha256,
        "object_key": key,
        "notes": upload.notes,
        "license": upload.license,
        "source_url": upload.source_url or upload.import_url,
        "inspection": inspection.to_document(),
        "is_quarantined": inspection.is_quarantined,
        "created_by": upload.created_by,
    }
    async with wiring.sessions.begin() as session:
        asset = await repository.insert_unless_known(session, values)
        await repository.add_name(session, asset, upload.filename)
        await upload_repository.change(
            session,
            upload.id,
            UploadState.VERIFYING,
            state=UploadState.STORED,
            asset_sha256=sha256,
            verified_bytes=upload.size,
            lease_expires_at=None,
        )
        detail = {"filename": upload.filename, "kind": asset.kind, "size": asset.size}
        await audit.record_for(session, upload.created_by, upload.tenant_id, "asset.add", sha256, detail)
    if asset.object_key != key:  # the same bytes came twice at once, as two kinds: the first one counts
        await asyncio.to_thread(wiring.models.delete, key)


async def _refuse(wiring: Wiring, upload: AssetUpload, problem: str) -> None:
    await _note(wiring, upload, state=UploadState.REFUSED, problem=problem, lease_expires_at=None)
    parted = parted_of(upload)
    await asyncio.to_thread(wiring.model_parts.abort, parted)
    await asyncio.to_thread(wiring.models.delete, parted.key)


async def _note(wiring: Wiring, upload: AssetUpload, **values: Any) -> None:
    async with wiring.sessions.begin() as session:
        await upload_repository.change(session, upload.id, UploadState.VERIFYING, touched_at=wiring.clock(), **values)
