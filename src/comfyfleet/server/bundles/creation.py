"""Writing a bundle: the manifest first, then the row, so that a bundle that is listed can be applied."""

import asyncio
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet import names
from comfyfleet.core.bundles import BundleInvalid, Manifest, compare
from comfyfleet.core.errors import Unavailable
from comfyfleet.core.manifests import MAX_MANIFEST_BYTES, write_manifest
from comfyfleet.protocol.bundles import BundlePlan, NewBundle
from comfyfleet.server.audit import service as audit
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.bundles import repository, views
from comfyfleet.server.bundles.composition import Draft, compose
from comfyfleet.server.bundles.views import iso, label
from comfyfleet.server.models import Bundle, BundleEntry
from comfyfleet.server.wiring import Wiring


class LibraryChanged(Unavailable):
    """An asset was changed while a bundle of it was written."""

    code = "library_changed"


async def plan(session: AsyncSession, new: NewBundle) -> BundlePlan:
    """Compose a bundle and say what it would be; nothing is written."""
    draft = await compose(session, new)
    manifest = _manifest(draft, datetime.now(UTC))
    before = await repository.by_id(session, draft.previous_id) if draft.previous_id else None
    change = compare(views.manifest_of(before), manifest) if before else None
    return BundlePlan(
        name=draft.name,
        version=await repository.highest_version(session, draft.name) + 1,
        previous=views.reference(before) if before else None,
        entries=[views.entry_view(entry) for entry in draft.entries],
        total_bytes=manifest.known_bytes,
        bytes_to_fetch=change.bytes_to_fetch if change else manifest.known_bytes,
    )


async def create(wiring: Wiring, principal: Principal, new: NewBundle) -> Bundle:
    """Compose a bundle, write its manifest create-only, and record it as the next version of its name.

    A control plane that ends in between leaves a manifest that no bundle has, which `bundles gc` removes.
    """
    async with wiring.sessions.begin() as session:
        draft = await compose(session, new)
    now = wiring.clock()
    manifest = _manifest(draft, now)
    content = write_manifest(manifest)
    if len(content) > MAX_MANIFEST_BYTES:
        raise BundleInvalid(f"The manifest would have {len(content):,} bytes.", hint="Make several smaller bundles.")
    key = names.manifest_key(manifest.bundle_id)
    await asyncio.to_thread(wiring.models.write, key, content, content_type="application/json", create_only=True)
    bundle = _row(draft, manifest, content, principal.actor, now)
    async with wiring.sessions.begin() as session:
        await _refuse_changed(session, draft)
        bundle.version = await repository.next_version(session, draft.name)
        await repository.insert(session, bundle)
        detail = {"bundle_id": manifest.bundle_id, "manifest_sha256": bundle.manifest_sha256}
        await audit.record(session, principal, "bundle.create", label(bundle), detail)
    return bundle


async def _refuse_changed(session: AsyncSession, draft: Draft) -> None:
    """Raise `LibraryChanged` when an asset is gone or lies elsewhere since the manifest was composed."""
    keys = {entry.asset_id: entry.asset_s3_key for entry in draft.entries if entry.asset_id is not None}
    if await repository.hold_assets(session, keys.keys()) != keys:
        raise LibraryChanged("An asset of the bundle was deleted or changed at this moment.", hint="Try again.")


def _manifest(draft: Draft, now: datetime) -> Manifest:
    return Manifest(
        bundle_id=str(uuid4()),
        name=draft.name,
        created_at=iso(now),
        entries=draft.entries,
        notes=draft.notes,
        requirements_lock=draft.requirements_lock,
    )


def _row(draft: Draft, manifest: Manifest, content: bytes, actor: str, now: datetime) -> Bundle:
    return Bundle(
        id=UUID(manifest.bundle_id),
        name=draft.name,
        notes=draft.notes,
        requirements_lock=draft.requirements_lock,
        manifest_sha256=sha256(content).hexdigest(),
        manifest_size=len(content),
        total_bytes=manifest.known_bytes,
        entry_count=len(draft.entries),
        previous_id=draft.previous_id,
        created_by=actor,
        created_at=now,
        entries=[
            BundleEntry(
                position=position,
                asset_id=entry.asset_id,
                kind=entry.kind.value,
                sha256=entry.sha256,
                size=entry.size,
                asset_s3_key=entry.asset_s3_key,
                original_filename=entry.original_filename,
                target_path=entry.target_path,
                action=entry.action.value,
            )
            for position, entry in enumerate(draft.entries)
        ],
    )
