"""The fleets of a workflow over HTTP."""

from fastapi import APIRouter

from comfyfleet.protocol.api import WorkflowView
from comfyfleet.protocol.envelope import Envelope
from comfyfleet.protocol.workflows import WorkflowFleets
from comfyfleet.server.auth.dependencies import Operator, Transaction
from comfyfleet.server.fleets import service
from comfyfleet.server.workflows import service as workflows
from comfyfleet.server.workflows.views import workflow_views

router = APIRouter(prefix="/api/workflows", tags=["workflows"])


@router.put("/{slug}/fleets")
async def assign_fleets(
    slug: str, body: WorkflowFleets, operator: Operator, session: Transaction
) -> Envelope[WorkflowView]:
    """Make exactly the named fleets serve a workflow."""
    workflow = await workflows.find(session, slug)
    await service.assign_workflow(session, operator, workflow, body.fleets)
    return Envelope(data=(await workflow_views(session, [workflow]))[0])
