"""Operations as they are shown."""

from comfyfleet.core.operations import OperationKind, OperationStatus
from comfyfleet.protocol.operations import OperationLineView, OperationView
from comfyfleet.server.fleets.service import label
from comfyfleet.server.models import Operation, OperationLine


def view(operation: Operation) -> OperationView:
    """Return an operation as a wire model."""
    return OperationView(
        id=operation.id,
        kind=OperationKind(operation.kind),
        fleet=label(operation.fleet),
        title=operation.title,
        steps=[str(step) for step in operation.steps],
        warnings=[str(warning) for warning in operation.warnings],
        status=OperationStatus(operation.status),
        outcome=operation.outcome,
        result=operation.result,
        actor=operation.actor,
        started_at=operation.started_at,
        ended_at=operation.ended_at,
        cancel_requested_by=operation.cancel_requested_by,
    )


def line_view(line: OperationLine) -> OperationLineView:
    """Return a piece of a log as a wire model."""
    return OperationLineView.model_validate(line, from_attributes=True)
