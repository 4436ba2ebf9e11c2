"""What a workflow was, version by version."""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.errors import NotFound
from comfyfleet.protocol.workflows import VersionDetail, VersionView
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.models import Workflow, WorkflowVersion
from comfyfleet.server.workflows import repository

_VERSIONED: Final = (
    "comfyui_workflow_path",
    "graph",
    "output_node_id",
    "output_extension",
    "output_mime_type",
    "properties",
)


class VersionNotFound(NotFound):
    """The workflow has no such version."""

    code = "workflow_version_not_found"


async def views(session: AsyncSession, workflow: Workflow, limit: int) -> list[VersionView]:
    """Return a workflow's versions, newest first."""
    found = await repository.versions_of(session, workflow.id, limit)
    return [VersionView.model_validate(version, from_attributes=True) for version in found]


async def detail(session: AsyncSession, workflow: Workflow, number: int) -> VersionDetail:
    """Return a version with all that it runs."""
    return VersionDetail.model_validate(await find(session, workflow, number), from_attributes=True)


async def keep(session: AsyncSession, workflow: Workflow, principal: Principal) -> None:
    """Keep what a workflow is now as its version of that number."""
    parts = {name: getattr(workflow, name) for name in _VERSIONED}
    version = WorkflowVersion(workflow_id=workflow.id, version=workflow.version, created_by=principal.actor, **parts)
    await repository.insert_version(session, version)


def bring_back(workflow: Workflow, old: WorkflowVersion) -> None:
    """Give a workflow what an old version had, under the next number."""
    for name in _VERSIONED:
        setattr(workflow, name, getattr(old, name))
    workflow.version += 1


async def find(session: AsyncSession, workflow: Workflow, number: int) -> WorkflowVersion:
    """Return a version; raise `VersionNotFound`."""
    version = await repository.version_of(session, workflow.id, number)
    if version is None:
        raise VersionNotFound(
            f"The workflow '{workflow.slug}' has no version {number}.",
            hint=f"List them with `comfyfleet workflows versions {workflow.slug}`.",
        )
    return version
