"""Workflows over HTTP, for administrators."""

from fastapi import APIRouter

from comfyfleet.protocol import api
from comfyfleet.protocol import bundles as wire
from comfyfleet.protocol.envelope import Envelope
from comfyfleet.server.auth.dependencies import Operator, Transaction, Viewer, WiringDep
from comfyfleet.server.workflows import analysis, repository, service, version_routes
from comfyfleet.server.workflows.views import workflow_view, workflow_views

router = APIRouter(prefix="/api/workflows", tags=["workflows"])
router.include_router(version_routes.router)


@router.get("")
async def list_workflows(_viewer: Viewer, session: Transaction) -> Envelope[list[api.WorkflowView]]:
    """List all workflows."""
    return Envelope(data=await workflow_views(session, await repository.all_workflows(session)))


@router.post("", status_code=201)
async def import_workflow(body: api.NewWorkflow, operator: Operator, wiring: WiringDep) -> Envelope[api.WorkflowView]:
    """Import a workflow from its API JSON."""
    workflow = await service.import_workflow(wiring, operator, body)
    return Envelope(data=workflow_view(workflow, []))


@router.post("/analyze")
async def analyze_workflow(
    body: wire.AnalysisRequest, _operator: Operator, session: Transaction
) -> Envelope[wire.AnalysisView]:
    """Say what a workflow needs, and where the library or a fleet's active bundle has it."""
    return Envelope(data=await analysis.analyze(session, body.document, body.fleet))


@router.get("/{slug}")
async def show_workflow(slug: str, _viewer: Viewer, session: Transaction) -> Envelope[api.WorkflowView]:
    """Show a workflow."""
    return Envelope(data=(await workflow_views(session, [await service.find(session, slug)]))[0])


@router.put("/{slug}")
async def replace_workflow(
    slug: str, body: api.NewWorkflow, operator: Operator, wiring: WiringDep
) -> Envelope[api.WorkflowView]:
    """Replace a workflow; its fleets and effects stay."""
    workflow = await service.replace_workflow(wiring, operator, slug, body)
    async with wiring.sessions.begin() as session:
        return Envelope(data=(await workflow_views(session, [workflow]))[0])
