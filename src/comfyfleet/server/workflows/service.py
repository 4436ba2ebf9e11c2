"""The verbs of workflows."""

import asyncio
import json
from hashlib import sha256

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet import names
from comfyfleet.core.errors import Conflict, Invalid, NotFound
from comfyfleet.core.graph_changes import changes_between
from comfyfleet.core.graphs import parse_graph
from comfyfleet.core.properties import Property
from comfyfleet.core.workflows import WorkflowSpec, check_slug, check_workflow
from comfyfleet.protocol.api import NewWorkflow, PropertyModel
from comfyfleet.protocol.workflows import ChangeView, VersionDifference
from comfyfleet.server.audit import service as audit
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.models import Workflow, WorkflowVersion
from comfyfleet.server.wiring import Wiring
from comfyfleet.server.workflows import repository, versions


class WorkflowNotFound(NotFound):
    """No such workflow."""

    code = "workflow_not_found"


class WorkflowExists(Conflict):
    """The slug is taken."""

    code = "workflow_exists"


class WorkflowInUse(Conflict):
    """Effects are made of the workflow."""

    code = "workflow_in_use"


class SlugFixed(Invalid):
    """A slug cannot be changed."""

    code = "slug_fixed"


async def import_workflow(wiring: Wiring, principal: Principal, new: NewWorkflow) -> Workflow:
    """Check a workflow, store its API JSON in the models bucket, and record it as version 1."""
    spec = check(new)
    path = await _store_graph(wiring, new.slug, spec)
    async with wiring.sessions.begin() as session:
        if await repository.by_slug(session, new.slug) is not None:
            raise WorkflowExists(f"There is a workflow '{new.slug}' already.", hint="Replace it, or choose a new slug.")
        workflow = Workflow(slug=new.slug)
        _describe(workflow, new, wiring)
        _assign(workflow, new, spec, path)
        await repository.insert(session, workflow)
        await versions.keep(session, workflow, principal)
        await audit.record(session, principal, "workflow.import", workflow.slug)
    return workflow


async def replace_workflow(wiring: Wiring, principal: Principal, slug: str, new: NewWorkflow) -> Workflow:
    """Check a workflow and put it in the place of the one named; jobs that were submitted keep the old graph.

    What it runs becomes its next version, unless it is what it was.
    """
    if new.slug != slug:
        raise SlugFixed("A workflow's slug cannot be changed.", hint=f"Use the slug '{slug}', or import a new one.")
    spec = check(new)
    path = await _store_graph(wiring, slug, spec)
    async with wiring.sessions.begin() as session:
        workflow = await find(session, slug)
        _describe(workflow, new, wiring)
        if changes_between(spec_of(workflow), spec):
            _assign(workflow, new, spec, path)
            workflow.version += 1
            await versions.keep(session, workflow, principal)
        await audit.record(session, principal, "workflow.replace", slug, {"version": workflow.version})
    return workflow


async def restore(wiring: Wiring, principal: Principal, slug: str, number: int) -> Workflow:
    """Make what an old version ran the newest version; name, description and whether it is active stay.

    Nothing changes if the workflow runs the same already.
    """
    async with wiring.sessions.begin() as session:
        workflow = await find(session, slug)
        old = await versions.find(session, workflow, number)
        if not changes_between(spec_of(workflow), spec_of(old)):
            return workflow
        versions.bring_back(workflow, old)
        workflow.updated_at = wiring.clock()
        await versions.keep(session, workflow, principal)
        detail = {"restored": number, "version": workflow.version}
        await audit.record(session, principal, "workflow.restore", slug, detail)
    return workflow


async def set_active(session: AsyncSession, principal: Principal, slug: str, *, is_active: bool) -> Workflow:
    """Let effects run a workflow, or not."""
    workflow = await find(session, slug)
    if workflow.is_active != is_active:
        workflow.is_active = is_active
        verb = "activate" if is_active else "deactivate"
        await audit.record(session, principal, f"workflow.{verb}", workflow.slug)
    return workflow


async def difference(session: AsyncSession, slug: str, before: int, after: int) -> VersionDifference:
    """Return what differs between two versions of a workflow."""
    workflow = await find(session, slug)
    old, new = [await versions.find(session, workflow, number) for number in (before, after)]
    changes = [ChangeView.model_validate(vars(change)) for change in changes_between(spec_of(old), spec_of(new))]
    return VersionDifference(before=before, after=after, changes=changes)


async def remove(session: AsyncSession, principal: Principal, slug: str) -> None:
    """Delete a workflow that no effect is made of and no job remembers; raise `WorkflowInUse` for another."""
    workflow = await find(session, slug)
    effects = await repository.effects_of(session, workflow.id)
    if effects:
        raise WorkflowInUse(
            f"The workflow '{slug}' has effects: {', '.join(effects[:5])}.",
            hint="Delete these first, or make the workflow inactive.",
        )
    if await repository.was_tried(session, workflow.id):
        raise WorkflowInUse(
            f"Jobs remember test runs of the workflow '{slug}'.",
            hint="Make the workflow inactive: nobody runs it then.",
        )
    await repository.delete_workflow(session, workflow)
    await audit.record(session, principal, "workflow.delete", slug)


async def find(session: AsyncSession, slug: str) -> Workflow:
    """Return a workflow; raise `WorkflowNotFound`."""
    workflow = await repository.by_slug(session, slug.replace("\x00", ""))
    if workflow is None:
        raise not_found(slug)
    return workflow


def not_found(slug: str) -> WorkflowNotFound:
    """Return the error of a workflow that does not exist."""
    return WorkflowNotFound(f"There is no workflow '{slug[:80]}'.", hint="List them with `comfyfleet workflows list`.")


def check(new: NewWorkflow) -> WorkflowSpec:
    """Return what is to be imported; raise an error that says what to do unless it can be."""
    check_slug(new.slug)
    spec = spec_of_new(new)
    check_workflow(spec)
    return spec


def spec_of_new(new: NewWorkflow) -> WorkflowSpec:
    """Return what is to be imported as the rules see it; raise `GraphInvalid` for what is no graph."""
    return WorkflowSpec(
        graph=parse_graph(new.graph),
        output_node_id=new.output_node_id,
        output_extension=new.output_extension,
        output_mime_type=new.output_mime_type,
        properties=tuple(model.to_property() for model in new.properties),
    )


def spec_of(workflow: Workflow | WorkflowVersion) -> WorkflowSpec:
    """Return a stored workflow, or a version of one, as the rules see it."""
    return WorkflowSpec(
        graph=workflow.graph,
        output_node_id=workflow.output_node_id,
        output_extension=workflow.output_extension,
        output_mime_type=workflow.output_mime_type,
        properties=properties_of(workflow),
    )


def properties_of(workflow: Workflow | WorkflowVersion) -> tuple[Property, ...]:
    """Return the properties of a stored workflow."""
    return tuple(PropertyModel.model_validate(item).to_property() for item in workflow.properties)


async def _store_graph(wiring: Wiring, slug: str, spec: WorkflowSpec) -> str:
    content = json.dumps(spec.graph, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass")
    path = names.workflow_key(slug, sha256(content).hexdigest())
    await asyncio.to_thread(wiring.models.write, path, content, content_type="application/json", create_only=True)
    return path


def _describe(workflow: Workflow, new: NewWorkflow, wiring: Wiring) -> None:
    workflow.name = new.name
    workflow.description = new.description
    workflow.is_active = new.is_active
    workflow.updated_at = wiring.clock()


def _assign(workflow: Workflow, new: NewWorkflow, spec: WorkflowSpec, path: str) -> None:
    workflow.comfyui_workflow_path = path
    workflow.graph = spec.graph
    workflow.output_node_id = spec.output_node_id
    workflow.output_extension = spec.output_extension
    workflow.output_mime_type = spec.output_mime_type
    workflow.properties = [model.model_dump(mode="json") for model in new.properties]
