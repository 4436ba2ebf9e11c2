"""Wire models of what is done with workflows, beyond those of `api`."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from comfyfleet.protocol.api import PropertyModel, Scalar, Slug, Strict

FleetLabel = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}/[a-z0-9-]{1,64}$")]
"""`stage/slug` of a fleet."""


class ProposalRequest(Strict):
    """A workflow in API format; with `node_id` and `input_name` only the property of that input is wanted."""

    document: dict[str, Any]
    node_id: str | None = Field(default=None, max_length=200)
    input_name: str | None = Field(default=None, max_length=200)


class OutputView(BaseModel):
    """A node whose file can be the result."""

    node_id: str
    name: str
    extension: str
    mime_type: str


class ProposalView(BaseModel):
    """What a workflow's properties and output could be, the best first."""

    properties: list[PropertyModel]
    outputs: list[OutputView]


class ProblemView(BaseModel):
    """Why a workflow cannot be imported, and what to do."""

    code: str
    message: str
    hint: str


class CheckView(BaseModel):
    """All reasons why a workflow cannot be imported; none if it can."""

    problems: list[ProblemView]


class VersionView(BaseModel):
    """A version of a workflow."""

    version: int
    created_by: str
    created_at: datetime


class VersionDetail(VersionView):
    """A version with all that it runs."""

    comfyui_workflow_path: str
    graph: dict[str, Any]
    output_node_id: str
    output_extension: str
    output_mime_type: str
    properties: list[PropertyModel]


class ChangeView(BaseModel):
    """One difference between two versions."""

    what: Literal["added", "removed", "changed"]
    where: str
    before: str | None
    after: str | None


class VersionDifference(BaseModel):
    """What differs between two versions."""

    before: int
    after: int
    changes: list[ChangeView]


class Restoration(Strict):
    """The old version that is to be the newest again."""

    version: int = Field(ge=1, lt=2**31)


class ActiveState(Strict):
    """Whether effects may run a workflow."""

    is_active: bool


class WorkflowFleets(Strict):
    """The fleets that shall serve a workflow."""

    fleets: list[FleetLabel] = Field(max_length=200)


class NewTestRun(Strict):
    """A run of a workflow, on one fleet and at no cost, with values by property key."""

    fleet: FleetLabel
    values: dict[Slug, Scalar] = Field(default_factory=dict, max_length=200)
