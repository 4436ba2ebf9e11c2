"""Workflows over HTTP, for administrators."""

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.graphs import class_types
from comfyfleet.protocol import api
from comfyfleet.protocol import bundles as wire
from comfyfleet.protocol.envelope import Envelope
from comfyfleet.server.auth.dependencies import Operator, Transaction, Viewer, WiringDep
from comfyfleet.server.models import Workflow
from comfyfleet.server.workflows import analysis, repository, service

router = APIRouter(prefix="/api/workflows", tags=["workflows"])


@router.get("")
async def list_workflows(_viewer: Viewer, session: Transaction) -> Envelope[list[api.WorkflowView]]:
    """List all workflows."""
    return Envelope(data=await _views(session, await repository.all_workflows(session)))


@router.post("", status_code=201)
async def import_workflow(body: api.NewWorkflow, _operator: Operator, wiring: WiringDep) -> Envelope[api.WorkflowView]:
    """Import a workflow from its API JSON."""
    workflow = await service.import_workflow(wiring, body)
    return Envelope(data=_view(workflow, []))


@router.post("/analyze")
async def analyze_workflow(
    body: wire.AnalysisRequest, _operator: Operator, session: Transaction
) -> Envelope[wire.AnalysisView]:
    """Say what a workflow needs, and where the library or a fleet's active bundle has it."""
    return Envelope(data=await analysis.analyze(session, body.document, body.fleet))


@router.get("/{slug}")
async def show_workflow(slug: str, _viewer: Viewer, session: Transaction) -> Envelope[api.WorkflowView]:
    """Show a workflow."""
    workflow = await repository.by_slug(session, slug)
    if workflow is None:
        raise service.not_found(slug)
    return Envelope(data=(await _views(session, [workflow]))[0])


@router.put("/{slug}")
async def replace_workflow(
    slug: str, body: api.NewWorkflow, _operator: Operator, wiring: WiringDep
) -> Envelope[api.WorkflowView]:
    """Replace a workflow; its fleets and effects stay."""
    workflow = await service.replace_workflow(wiring, slug, body)
    async with wiring.sessions.begin() as session:
        return Envelope(data=(await _views(session, [workflow]))[0])


async def _views(session: AsyncSession, workflows: list[Workflow]) -> list[api.WorkflowView]:
    fleets = await repository.fleets_of(session, [workflow.id for workflow in workflows])
    return [_view(workflow, fleets[workflow.id]) for workflow in workflows]


def _view(workflow: Workflow, fleets: list[str]) -> api.WorkflowView:
    return api.WorkflowView(
        id=workflow.id,
        name=workflow.name,
        slug=workflow.slug,
        description=workflow.description,
        is_active=workflow.is_active,
        comfyui_workflow_path=workflow.comfyui_workflow_path,
        output_node_id=workflow.output_node_id,
        output_extension=workflow.output_extension,
        output_mime_type=workflow.output_mime_type,
        properties=[api.PropertyModel.model_validate(item) for item in workflow.properties],
        node_classes=sorted(class_types(workflow.graph)),
        fleets=fleets,
        created_at=workflow.created_at,
    )
