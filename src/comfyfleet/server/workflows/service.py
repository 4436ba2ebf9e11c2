"""The verbs of workflows."""

import asyncio
import json
from hashlib import sha256

from comfyfleet import names
from comfyfleet.core.errors import Conflict, Invalid, NotFound
from comfyfleet.core.graphs import parse_graph
from comfyfleet.core.properties import Property
from comfyfleet.core.workflows import WorkflowSpec, check_slug, check_workflow
from comfyfleet.protocol.api import NewWorkflow, PropertyModel
from comfyfleet.server.models import Workflow
from comfyfleet.server.wiring import Wiring
from comfyfleet.server.workflows import repository


class WorkflowNotFound(NotFound):
    """No such workflow."""

    code = "workflow_not_found"


class WorkflowExists(Conflict):
    """The slug is taken."""

    code = "workflow_exists"


class SlugFixed(Invalid):
    """A slug cannot be changed."""

    code = "slug_fixed"


async def import_workflow(wiring: Wiring, new: NewWorkflow) -> Workflow:
    """Check a workflow, store its API JSON in the models bucket, and record it."""
    spec = check(new)
    path = await _store_graph(wiring, new.slug, spec)
    async with wiring.sessions.begin() as session:
        if await repository.by_slug(session, new.slug) is not None:
            raise WorkflowExists(f"There is a workflow '{new.slug}' already.", hint="Replace it, or choose a new slug.")
        workflow = Workflow(slug=new.slug)
        _assign(workflow, new, spec, path, wiring)
        await repository.insert(session, workflow)
    return workflow


async def replace_workflow(wiring: Wiring, slug: str, new: NewWorkflow) -> Workflow:
    """Check a workflow and put it in the place of the one named; jobs that were submitted keep the old graph."""
    if new.slug != slug:
        raise SlugFixed("A workflow's slug cannot be changed.", hint=f"Use the slug '{slug}', or import a new one.")
    spec = check(new)
    path = await _store_graph(wiring, slug, spec)
    async with wiring.sessions.begin() as session:
        workflow = await repository.by_slug(session, slug)
        if workflow is None:
            raise not_found(slug)
        _assign(workflow, new, spec, path, wiring)
    return workflow


def not_found(slug: str) -> WorkflowNotFound:
    """Return the error of a workflow that does not exist."""
    return WorkflowNotFound(f"There is no workflow '{slug[:80]}'.", hint="List them with `comfyfleet workflows list`.")


def check(new: NewWorkflow) -> WorkflowSpec:
    """Return what is to be imported; raise an error that says what to do unless it can be."""
    check_slug(new.slug)
    spec = WorkflowSpec(
        graph=parse_graph(new.graph),
        output_node_id=new.output_node_id,
        output_extension=new.output_extension,
        output_mime_type=new.output_mime_type,
        properties=tuple(model.to_property() for model in new.properties),
    )
    check_workflow(spec)
    return spec


def spec_of(workflow: Workflow) -> WorkflowSpec:
    """Return a stored workflow as the rules see it."""
    return WorkflowSpec(
        graph=workflow.graph,
        output_node_id=workflow.output_node_id,
        output_extension=workflow.output_extension,
        output_mime_type=workflow.output_mime_type,
        properties=properties_of(workflow),
    )


def properties_of(workflow: Workflow) -> tuple[Property, ...]:
    """Return the properties of a stored workflow."""
    return tuple(PropertyModel.model_validate(item).to_property() for item in workflow.properties)


async def _store_graph(wiring: Wiring, slug: str, spec: WorkflowSpec) -> str:
    content = json.dumps(spec.graph, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass")
    path = names.workflow_key(slug, sha256(content).hexdigest())
    await asyncio.to_thread(wiring.models.write, path, content, content_type="application/json", create_only=True)
    return path


def _assign(workflow: Workflow, new: NewWorkflow, spec: WorkflowSpec, path: str, wiring: Wiring) -> None:
    workflow.name = new.name
    workflow.description = new.description
    workflow.is_active = new.is_active
    workflow.comfyui_workflow_path = path
    workflow.graph = spec.graph
    workflow.output_node_id = spec.output_node_id
    workflow.output_extension = spec.output_extension
    workflow.output_mime_type = spec.output_mime_type
    workflow.properties = [model.model_dump(mode="json") for model in new.properties]
    workflow.updated_at = wiring.clock()
