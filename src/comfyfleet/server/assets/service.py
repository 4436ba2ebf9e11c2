"""The verbs of assets."""

import asyncio
import re
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet import names
from comfyfleet.protocol.library import AssetPatch
from comfyfleet.server.assets import repository
from comfyfleet.server.assets.errors import (
    AssetAmbiguous,
    AssetInUse,
    AssetNotFound,
    AssetNotQuarantined,
)
from comfyfleet.server.audit import service as audit
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.models import Asset, Bundle
from comfyfleet.server.wiring import Wiring

_DIGEST_PREFIX: Final = re.compile(r"[0-9a-f]{8,64}")
_SHOWN: Final = 5


async def find(session: AsyncSession, reference: str) -> Asset:
    """Return the asset of an id, a digest or its beginning (from 8 digits on), or a name.

    Raises:
        AssetNotFound: There is none.
        AssetAmbiguous: There are several.
    """
    found = await _candidates(session, reference)
    if not found:
        raise AssetNotFound(
            f"The library has no asset '{reference[:120]}'.", hint="List them with `comfyfleet assets list`."
        )
    if len(found) > 1:
        shown = ", ".join(f"{asset.id} ({asset.sha256[:12]}, {asset.kind})" for asset in found[:_SHOWN])
        raise AssetAmbiguous(
            f"'{reference[:120]}' can be several assets: {shown}.", hint="Name it by its id or digest."
        )
    return found[0]


async def update(wiring: Wiring, principal: Principal, reference: str, patch: AssetPatch) -> Asset:
    """Change what is said of an asset; a new kind gives its object a new key, unless a bundle needs the old one."""
    async with wiring.sessions.begin() as session:
        asset = await find(session, reference)
    if patch.kind in {None, asset.kind}:
        return await _write(wiring, principal, asset.id, patch)
    async with repository.alone_with(wiring.engine, asset.sha256):
        return await _change_kind(wiring, principal, asset.id, patch)


async def remove(wiring: Wiring, principal: Principal, reference: str) -> Asset:
    """Delete an asset and its bytes; raise `AssetInUse` while a bundle needs it."""
    async with wiring.sessions.begin() as session:
        sha256 = (await find(session, reference)).sha256
    # Alone, or else who brings the same bytes now would rely on the object that goes.
    async with repository.alone_with(wiring.engine, sha256):
        async with wiring.sessions.begin() as session:
            asset = await _held(session, (await find(session, sha256)).id)
            await _refuse_used(session, asset, "deleted")
            detail = {"filename": filename_of(asset), "kind": asset.kind, "size": asset.size}
            await repository.remove(session, asset)
            await audit.record(session, principal, "asset.delete", asset.sha256, detail)
        # After the commit: a crash in between leaves bytes that nothing names, never a name without bytes.
        await asyncio.to_thread(wiring.models.delete, asset.object_key)
    return asset


async def release(session: AsyncSession, principal: Principal, reference: str) -> Asset:
    """Let a quarantined asset be used; its finding stays."""
    asset = await find(session, reference)
    if not is_locked_away(asset):
        raise AssetNotQuarantined(f"'{filename_of(asset)}' is not in quarantine.", hint="It can be used.")
    asset.released_by = principal.actor
    await audit.record(session, principal, "asset.release", asset.sha256, {"filename": filename_of(asset)})
    return asset


def is_locked_away(asset: Asset) -> bool:
    """Tell whether an asset is in quarantine and nobody has released it."""
    return asset.is_quarantined and asset.released_by is None


def filename_of(asset: Asset) -> str:
    """Return the name under which an asset came last."""
    return asset.names[-1].filename if asset.names else asset.sha256


async def _candidates(session: AsyncSession, reference: str) -> list[Asset]:
    if _DIGEST_PREFIX.fullmatch(reference.lower()):
        found = await repository.by_digest_prefix(session, reference.lower(), _SHOWN)
        if found:
            return found
    if reference.isascii() and reference.isdigit() and int(reference) < 2**63:
        asset = await repository.by_id(session, int(reference))
        if asset is not None:
            return [asset]
    return await repository.by_filename(session, reference.replace("\x00", ""), _SHOWN)


async def _change_kind(wiring: Wiring, principal: Principal, asset_id: int, patch: AssetPatch) -> Asset:
    async with wiring.sessions.begin() as session:
        asset = await _held(session, asset_id)
        await _refuse_used(session, asset, "changed to another kind")
    old_key, new_key = asset.object_key, names.asset_key(patch.kind or asset.kind, asset.sha256)
    await _give_key(wiring, asset, new_key)
    try:
        return await _write(wiring, principal, asset_id, patch, object_key=new_key)
    except AssetInUse:  # a bundle of it was written while its object moved
        await asyncio.to_thread(wiring.model_index.move, new_key, old_key)
        raise


async def _give_key(wiring: Wiring, asset: Asset, key: str) -> None:
    """Move an asset's object. What lies at the key is not this asset's, unless a change died right after its move."""
    if await asyncio.to_thread(wiring.models.head, asset.object_key) is None:
        return
    if not await asyncio.to_thread(wiring.model_index.move, asset.object_key, key):
        await asyncio.to_thread(wiring.models.delete, key)
        await asyncio.to_thread(wiring.model_index.move, asset.object_key, key)


async def _write(
    wiring: Wiring, principal: Principal, asset_id: int, patch: AssetPatch, *, object_key: str | None = None
) -> Asset:
    async with wiring.sessions.begin() as session:
        asset = await _held(session, asset_id)
        changes = _changes(asset, patch)
        if object_key is not None:
            await _refuse_used(session, asset, "changed to another kind")
            asset.object_key = object_key
        for name, (_, value) in changes.items():
            setattr(asset, name, value)
        await audit.record(session, principal, "asset.update", asset.sha256, {"changes": changes})
    return asset


async def _held(session: AsyncSession, asset_id: int) -> Asset:
    asset = await repository.hold(session, asset_id)
    if asset is None:
        raise AssetNotFound("The asset has just been deleted.", hint="List the library with `comfyfleet assets list`.")
    return asset


async def _refuse_used(session: AsyncSession, asset: Asset, what: str) -> None:
    bundles: list[Bundle] = (await repository.uses(session, [asset.id]))[asset.id]
    if bundles:
        shown = ", ".join(f"{bundle.name}@{bundle.version}" for bundle in bundles[:_SHOWN])
        more = f" and {len(bundles) - _SHOWN} more" if len(bundles) > _SHOWN else ""
        raise AssetInUse(
            f"'{filename_of(asset)}' cannot be {what}: bundles need it: {shown}{more}.",
            hint="Delete those bundles first.",
        )


def _changes(asset: Asset, patch: AssetPatch) -> dict[str, tuple[Any, Any]]:
    given = patch.model_dump(mode="json", exclude_none=True)
    given = {name: value.replace("\x00", "") for name, value in given.items()}
    if given.get("source_url") == "":
        given["source_url"] = None
    changes = {name: (getattr(asset, name), value) for name, value in given.items()}
    return {name: change for name, change in changes.items() if change[0] != change[1]}
