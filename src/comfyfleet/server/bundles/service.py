"""The verbs of bundles that exist."""

import asyncio
from datetime import timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet import names
from comfyfleet.core.errors import Conflict
from comfyfleet.server.audit import service as audit
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.bundles import repository
from comfyfleet.server.bundles.finding import find
from comfyfleet.server.bundles.views import label
from comfyfleet.server.models import Bundle
from comfyfleet.server.wiring import Wiring

ORPHAN_AGE: Final = timedelta(hours=1)
"""A manifest without a bundle that is younger may belong to a bundle that is being written."""


class BundleInUse(Conflict):
    """A fleet points to the bundle."""

    code = "bundle_in_use"


class ManifestDamaged(Conflict):
    """The manifest in the store is not what was written."""

    code = "manifest_damaged"


async def read_manifest(wiring: Wiring, bundle: Bundle) -> bytes:
    """Return the bytes of a bundle's manifest.

    Raises:
        ObjectNotFound: The store has none.
        ManifestDamaged: Its digest is not the recorded one.
    """
    content = await asyncio.to_thread(wiring.models.read, names.manifest_key(str(bundle.id)))
    if sha256(content).hexdigest() != bundle.manifest_sha256:
        raise ManifestDamaged(
            f"The manifest of {label(bundle)} was changed after it was written.",
            hint="Make the next version of the bundle, and find out who writes into the models bucket.",
        )
    return content


async def delete(wiring: Wiring, principal: Principal, reference: str) -> Bundle:
    """Delete a bundle and then its manifest; its assets stay. Raise `BundleInUse` while a fleet points to it."""
    async with wiring.sessions.begin() as session:
        bundle = await find(session, reference)
        await repository.lock(session, bundle.id)
        fleets = (await repository.active_in(session, [bundle.id]))[bundle.id]
        if fleets:
            raise BundleInUse(
                f"{label(bundle)} is the active bundle of {', '.join(fleets)}.",
                hint="Point the fleet to another bundle first: comfyfleet fleets activate.",
            )
        await repository.remove(session, bundle.id)
        await audit.record(session, principal, "bundle.delete", label(bundle), {"bundle_id": str(bundle.id)})
    await asyncio.to_thread(wiring.models.delete, names.manifest_key(str(bundle.id)))
    return bundle


async def orphans(wiring: Wiring) -> list[str]:
    """Return the keys of manifests that no bundle has, such as a control plane leaves that ends while it writes one."""
    found = await asyncio.to_thread(_old_manifests, wiring)
    async with wiring.sessions.begin() as session:
        existing = await repository.existing(session, found.keys())
    return [key for bundle_id, key in found.items() if bundle_id not in existing]


async def clear_up(wiring: Wiring, principal: Principal, keys: list[str]) -> None:
    """Delete manifests that no bundle has."""
    for key in keys:
        await asyncio.to_thread(wiring.models.delete, key)
    async with wiring.sessions.begin() as session:
        await audit.record(session, principal, "bundle.gc", names.BUNDLES_PREFIX, {"manifests": keys})


async def never_used(session: AsyncSession, wiring: Wiring, older_than_days: int) -> list[Bundle]:
    """Return the bundles of at least that age that no fleet points to or ever pointed to, oldest first."""
    return await repository.never_used(session, wiring.clock() - timedelta(days=older_than_days))


def _old_manifests(wiring: Wiring) -> dict[UUID, str]:
    newest = wiring.clock() - ORPHAN_AGE
    found: dict[UUID, str] = {}
    for stored in wiring.model_index.objects(names.BUNDLES_PREFIX):
        bundle_id = _bundle_id(stored.key)
        if bundle_id is not None and stored.modified_at <= newest:
            found[bundle_id] = stored.key
    return found


def _bundle_id(key: str) -> UUID | None:
    text = key.removeprefix(names.BUNDLES_PREFIX).split("/", 1)[0]
    try:
        bundle_id = UUID(text)
    except ValueError:
        return None
    # Whatever else lies below the prefix is not ours to delete.
    return bundle_id if key == names.manifest_key(str(bundle_id)) else None
