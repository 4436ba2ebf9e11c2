"""Workflows as the wire shows them."""

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.graphs import class_types
from comfyfleet.protocol import api
from comfyfleet.server.models import Workflow
from comfyfleet.server.workflows import repository


async def workflow_views(session: AsyncSession, workflows: list[Workflow]) -> list[api.WorkflowView]:
    """Return workflows with the fleets that serve them."""
    fleets = await repository.fleets_of(session, [workflow.id for workflow in workflows])
    return [workflow_view(workflow, fleets[workflow.id]) for workflow in workflows]


def workflow_view(workflow: Workflow, fleets: list[str]) -> api.WorkflowView:
    """Return a workflow as an administrator sees it."""
    return api.WorkflowView(
        id=workflow.id,
        name=workflow.name,
        slug=workflow.slug,
        description=workflow.description,
        is_active=workflow.is_active,
        version=workflow.version,
        comfyui_workflow_path=workflow.comfyui_workflow_path,
        output_node_id=workflow.output_node_id,
        output_extension=workflow.output_extension,
        output_mime_type=workflow.output_mime_type,
        properties=[api.PropertyModel.model_validate(item) for item in workflow.properties],
        node_classes=sorted(class_types(workflow.graph)),
        fleets=fleets,
        created_at=workflow.created_at,
    )
