"""The typed client of what is done with workflows: proposals, checks, versions, fleets and test runs."""

from typing import Any
from urllib.parse import quote

from comfyfleet.client.api import ControlPlane
from comfyfleet.protocol.api import JobView, NewWorkflow, Scalar, WorkflowView
from comfyfleet.protocol.workflows import (
    ActiveState,
    CheckView,
    NewTestRun,
    ProposalRequest,
    ProposalView,
    Restoration,
    VersionDetail,
    VersionDifference,
    VersionView,
    WorkflowFleets,
)


class WorkflowPlane(ControlPlane):
    """A control plane's workflows."""

    def propose(self, document: dict[str, Any]) -> ProposalView:
        """Return what a workflow's properties and output could be."""
        return self._send(ProposalView, "POST", "/api/workflows/propose", ProposalRequest(document=document))

    def check_workflow(self, workflow: NewWorkflow) -> CheckView:
        """Return everything that keeps a workflow from being imported."""
        return self._send(CheckView, "POST", "/api/workflows/check", workflow)

    def versions(self, slug: str, *, limit: int | None = None) -> list[VersionView]:
        """Return a workflow's versions, newest first."""
        return self._get(list[VersionView], f"{_path(slug)}/versions", limit=limit)

    def version(self, slug: str, number: int) -> VersionDetail:
        """Return a version with all that it runs."""
        return self._get(VersionDetail, f"{_path(slug)}/versions/{number}")

    def version_difference(self, slug: str, before: int, after: int) -> VersionDifference:
        """Return what differs between two versions."""
        return self._get(VersionDifference, f"{_path(slug)}/diff", before=before, after=after)

    def restore_version(self, slug: str, version: int) -> WorkflowView:
        """Make what an old version ran the newest version."""
        return self._send(WorkflowView, "POST", f"{_path(slug)}/restore", Restoration(version=version))

    def set_workflow_active(self, slug: str, *, is_active: bool) -> WorkflowView:
        """Let effects run a workflow, or not."""
        return self._send(WorkflowView, "PUT", f"{_path(slug)}/active", ActiveState(is_active=is_active))

    def delete_workflow(self, slug: str) -> None:
        """Delete a workflow that no effect is made of."""
        self._call("DELETE", _path(slug))

    def assign_fleets(self, slug: str, fleets: list[str]) -> WorkflowView:
        """Make exactly these fleets (`stage/slug`) serve a workflow."""
        return self._send(WorkflowView, "PUT", f"{_path(slug)}/fleets", WorkflowFleets(fleets=fleets))

    def run_test(self, slug: str, fleet: str, values: dict[str, Scalar]) -> JobView:
        """Run a workflow on one fleet (`stage/slug`), at no cost."""
        return self._send(JobView, "POST", f"{_path(slug)}/test-run", NewTestRun(fleet=fleet, values=values))


def _path(slug: str) -> str:
    return f"/api/workflows/{quote(slug, safe='')}"
