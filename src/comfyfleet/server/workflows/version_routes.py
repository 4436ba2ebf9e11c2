"""Proposals, checks and versions of workflows over HTTP."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query

from comfyfleet.protocol import api
from comfyfleet.protocol import workflows as wire
from comfyfleet.protocol.envelope import Envelope
from comfyfleet.server.auth.dependencies import Operator, Transaction, Viewer, WiringDep
from comfyfleet.server.workflows import proposing, service, versions
from comfyfleet.server.workflows.views import workflow_views

router = APIRouter()

Number = Annotated[int, Query(ge=1, lt=2**31)]
Version = Annotated[int, Path(ge=1, lt=2**31)]
Limit = Annotated[int, Query(ge=1, le=200)]


@router.post("/propose")
async def propose_properties(body: wire.ProposalRequest, _viewer: Viewer) -> Envelope[wire.ProposalView]:
    """Say what the properties and the output of a workflow in API format could be."""
    return Envelope(data=await asyncio.to_thread(proposing.proposal, body))


@router.post("/check")
async def check_workflow(body: api.NewWorkflow, _viewer: Viewer) -> Envelope[wire.CheckView]:
    """Say everything that keeps a workflow from being imported; nothing is stored."""
    return Envelope(data=await asyncio.to_thread(proposing.check, body))


@router.get("/{slug}/versions")
async def list_versions(
    slug: str, _viewer: Viewer, session: Transaction, limit: Limit = 50
) -> Envelope[list[wire.VersionView]]:
    """List a workflow's versions, newest first."""
    return Envelope(data=await versions.views(session, await service.find(session, slug), limit))


@router.get("/{slug}/versions/{number}")
async def show_version(
    slug: str, number: Version, _viewer: Viewer, session: Transaction
) -> Envelope[wire.VersionDetail]:
    """Show what a version of a workflow runs."""
    return Envelope(data=await versions.detail(session, await service.find(session, slug), number))


@router.get("/{slug}/diff")
async def show_changes(
    slug: str, before: Number, after: Number, _viewer: Viewer, session: Transaction
) -> Envelope[wire.VersionDifference]:
    """Show what differs between two versions of a workflow."""
    return Envelope(data=await service.difference(session, slug, before, after))


@router.post("/{slug}/restore")
async def restore_version(
    slug: str, body: wire.Restoration, operator: Operator, wiring: WiringDep
) -> Envelope[api.WorkflowView]:
    """Make what an old version ran the newest version."""
    workflow = await service.restore(wiring, operator, slug, body.version)
    async with wiring.sessions.begin() as session:
        return Envelope(data=(await workflow_views(session, [workflow]))[0])


@router.put("/{slug}/active")
async def set_active(
    slug: str, body: wire.ActiveState, operator: Operator, session: Transaction
) -> Envelope[api.WorkflowView]:
    """Let effects run a workflow, or not."""
    workflow = await service.set_active(session, operator, slug, is_active=body.is_active)
    return Envelope(data=(await workflow_views(session, [workflow]))[0])


@router.delete("/{slug}")
async def delete_workflow(slug: str, operator: Operator, session: Transaction) -> Envelope[None]:
    """Delete a workflow that no effect is made of."""
    await service.remove(session, operator, slug)
    return Envelope(data=None, message="Deleted.")
