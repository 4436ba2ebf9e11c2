"""Bundles over HTTP, for administrators."""

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet import names
from comfyfleet.core.bundles import compare
from comfyfleet.protocol import bundles as wire
from comfyfleet.protocol.envelope import Envelope
from comfyfleet.server.auth.dependencies import Operator, Transaction, Viewer, WiringDep
from comfyfleet.server.bundles import creation, repository, service, views
from comfyfleet.server.bundles.finding import find
from comfyfleet.server.models import Bundle

router = APIRouter(prefix="/api/bundles", tags=["bundles"])


@router.get("")
async def list_bundles(
    _viewer: Viewer,
    session: Transaction,
    q: Annotated[str, Query(max_length=300)] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0, lt=2**31)] = 0,
) -> Envelope[wire.BundlePage]:
    """List bundles, newest first; `q` is a part of the name or the notes."""
    bundles, total = await repository.newest(session, q=q.replace("\x00", ""), limit=limit, offset=offset)
    return Envelope(data=wire.BundlePage(items=await _summaries(session, bundles), total=total))


@router.post("", status_code=201)
async def create_bundle(body: wire.NewBundle, operator: Operator, wiring: WiringDep) -> Envelope[wire.BundleView]:
    """Write a bundle, or the next version of one."""
    bundle = await creation.create(wiring, operator, body)
    return Envelope(data=views.whole(bundle, []))


@router.post("/plan")
async def plan_bundle(body: wire.NewBundle, _viewer: Viewer, session: Transaction) -> Envelope[wire.BundlePlan]:
    """Say what a bundle would be, and write nothing."""
    return Envelope(data=await creation.plan(session, body))


@router.post("/gc")
async def clear_up(body: wire.GcRequest, operator: Operator, wiring: WiringDep) -> Envelope[wire.GcView]:
    """Delete manifests that no bundle has, and list bundles that no fleet ever pointed to; a dry run by default."""
    manifests = await service.orphans(wiring)
    if manifests and not body.dry_run:
        await service.clear_up(wiring, operator, manifests)
    unused: list[wire.BundleSummary] = []
    if body.older_than_days is not None:
        async with wiring.sessions.begin() as session:
            bundles = await service.never_used(session, wiring, body.older_than_days)
        unused = [views.summary(bundle, []) for bundle in bundles]
    return Envelope(data=wire.GcView(dry_run=body.dry_run, manifests=manifests, unused=unused))


@router.get("/{reference}")
async def show_bundle(reference: str, _viewer: Viewer, session: Transaction) -> Envelope[wire.BundleView]:
    """Show a bundle, by id, name or name@version."""
    bundle = await find(session, reference)
    active_in = await repository.active_in(session, [bundle.id])
    return Envelope(data=views.whole(bundle, active_in[bundle.id]))


@router.get("/{reference}/manifest")
async def show_manifest(reference: str, _viewer: Viewer, wiring: WiringDep) -> Envelope[wire.ManifestView]:
    """Show a bundle's manifest to the byte."""
    async with wiring.sessions.begin() as session:
        bundle = await find(session, reference)
    content = await service.read_manifest(wiring, bundle)
    view = wire.ManifestView(
        bundle_id=str(bundle.id),
        key=names.manifest_key(str(bundle.id)),
        sha256=bundle.manifest_sha256,
        content=content.decode(),
    )
    return Envelope(data=view)


@router.get("/{before}/diff/{after}")
async def show_difference(
    before: str, after: str, _viewer: Viewer, session: Transaction
) -> Envelope[wire.DifferenceView]:
    """Show what changes from one bundle to another."""
    old, new = await find(session, before), await find(session, after)
    change = compare(views.manifest_of(old), views.manifest_of(new))
    return Envelope(data=views.difference(old, new, change))


@router.delete("/{reference}")
async def delete_bundle(reference: str, operator: Operator, wiring: WiringDep) -> Envelope[wire.BundleRef]:
    """Delete a bundle that no fleet points to; its assets stay."""
    return Envelope(data=views.reference(await service.delete(wiring, operator, reference)))


async def _summaries(session: AsyncSession, bundles: list[Bundle]) -> list[wire.BundleSummary]:
    active_in = await repository.active_in(session, [bundle.id for bundle in bundles])
    return [views.summary(bundle, active_in[bundle.id]) for bundle in bundles]
