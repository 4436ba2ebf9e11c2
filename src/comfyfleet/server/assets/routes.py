"""The library over HTTP, for administrators."""

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.assets import AssetKind
from comfyfleet.protocol import library
from comfyfleet.protocol.envelope import Envelope
from comfyfleet.server.assets import repository, service
from comfyfleet.server.assets.repository import AssetFilter, AssetOrder
from comfyfleet.server.assets.views import asset_view
from comfyfleet.server.auth.dependencies import Operator, Transaction, Viewer, WiringDep
from comfyfleet.server.models import Asset

router = APIRouter(prefix="/api/assets", tags=["assets"])

Limit = Annotated[int, Query(ge=1, le=500)]
Offset = Annotated[int, Query(ge=0, lt=2**31)]
Text = Annotated[str, Query(max_length=300)]


@router.get("")
async def list_assets(
    _viewer: Viewer,
    session: Transaction,
    q: Text = "",
    kind: AssetKind | None = None,
    sort: AssetOrder = AssetOrder.NEWEST,
    unused: bool = False,
    quarantined: bool = False,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Envelope[library.AssetPage]:
    """List assets; `q` is looked for in names and notes, and as the beginning of a digest."""
    wanted = AssetFilter(q.strip().replace("\x00", ""), kind, is_unused=unused, is_quarantined=quarantined)
    total, size = await repository.count(session, wanted)
    found = await repository.search(session, wanted, sort, limit=limit, offset=offset)
    uses = await repository.uses(session, [asset.id for asset in found])
    items = [asset_view(asset, uses[asset.id]) for asset in found]
    return Envelope(data=library.AssetPage(items=items, total=total, bytes=size))


@router.get("/{reference:path}")
async def show_asset(reference: str, _viewer: Viewer, session: Transaction) -> Envelope[library.AssetView]:
    """Show an asset by its id, its digest (or the beginning of it), or its name."""
    return Envelope(data=await _view(session, await service.find(session, reference)))


@router.patch("/{reference:path}")
async def update_asset(
    reference: str, body: library.AssetPatch, operator: Operator, wiring: WiringDep
) -> Envelope[library.AssetView]:
    """Change what is said of an asset."""
    asset = await service.update(wiring, operator, reference, body)
    async with wiring.sessions.begin() as session:
        return Envelope(data=await _view(session, asset))


@router.delete("/{reference:path}")
async def delete_asset(reference: str, operator: Operator, wiring: WiringDep) -> Envelope[library.AssetView]:
    """Delete an asset that no bundle needs."""
    return Envelope(data=asset_view(await service.remove(wiring, operator, reference)))


@router.post("/{reference:path}/release")
async def release_asset(reference: str, operator: Operator, session: Transaction) -> Envelope[library.AssetView]:
    """Let a quarantined asset be used."""
    return Envelope(data=await _view(session, await service.release(session, operator, reference)))


async def _view(session: AsyncSession, asset: Asset) -> library.AssetView:
    return asset_view(asset, (await repository.uses(session, [asset.id]))[asset.id])
