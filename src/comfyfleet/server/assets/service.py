"""The verbs of assets."""

import asyncio
import re
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet import names
from comfyfleet.core.assets import AssetKind
from comfyfleet.protocol.library import AssetPatch
from comfyfleet.server.assets import repository
from comfyfleet.server.assets.errors import (
    AssetAmbiguous,
    AssetInUse,
    AssetNotFound,
    AssetNotQuarantined,
    AssetQuarantined,
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
    """Change what is said of an asset; a new kind gives its object a new key."""
    async with wiring.sessions.begin() as session:
        asset = await find(session, reference)
        old_key, new_kind = asset.object_key, patch.kind
        if new_kind is not None and new_kind != asset.kind:
            await _refuse_used(session, asset, "changed to another kind")
    new_key = names.asset_key(new_kind, asset.sha256) if new_kind is not None else old_key
    if new_key != old_key:
        await asyncio.to_thread(wiring.model_index.move, old_key, new_key)
    async with wiring.sessions.begin() as session:
        asset = await find(session, str(asset.id))
        changes = _changes(asset, patch)
        asset.object_key = new_key
        for name, (_, value) in changes.items():
            setattr(asset, name, value)
        await audit.record(session, principal, "asset.update", asset.sha256, {"changes": changes})
    return asset


async def remove(wiring: Wiring, principal: Principal, reference: str) -> Asset:
    """Delete an asset and its bytes; raise `AssetInUse` while a bundle needs it."""
    async with wiring.sessions.begin() as session:
        asset = await find(session, reference)
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


def refuse_locked_away(asset: Asset) -> None:
    """Raise `AssetQuarantined` for an asset that may not be used."""
    if is_locked_away(asset):
        raise AssetQuarantined(
            f"'{filename_of(asset)}' is in quarantine: loading it could run code.",
            hint=f"See `comfyfleet assets show {asset.id}`; `comfyfleet assets release {asset.id}` lets it be used.",
        )


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
    changes = {name: (getattr(asset, name), value) for name, value in given.items()}
    return {name: change for name, change in changes.items() if change[0] != change[1]}


def kind_of(asset: Asset) -> AssetKind:
    """Return an asset's kind."""
    return AssetKind(asset.kind)
