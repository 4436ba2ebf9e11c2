"""Wire models of operations: verbs on machines that the control plane carries out."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from comfyfleet.core.operations import LineKind, OperationKind, OperationStatus


class OperationView(BaseModel):
    """An operation. `outcome` tells in words how it ended, `result` is what it made; `fleet` is `stage/slug`."""

    id: int
    kind: OperationKind
    fleet: str
    title: str
    steps: list[str]
    warnings: list[str]
    status: OperationStatus
    outcome: str | None
    result: dict[str, Any]
    actor: str
    started_at: datetime
    ended_at: datetime | None
    cancel_requested_by: str | None


class OperationLineView(BaseModel):
    """A piece of an operation's log: a step, or what a machine printed, of any number of lines."""

    id: int
    at: datetime
    kind: LineKind
    text: str
