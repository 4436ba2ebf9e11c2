"""The typed client of operations."""

from comfyfleet.client.api import ControlPlane
from comfyfleet.protocol.envelope import Page
from comfyfleet.protocol.operations import OperationLineView, OperationView

_PATH = "/api/operations"


class OperationsPlane(ControlPlane):
    """What a control plane carries out for operators."""

    def operations(
        self, *, fleet: str | None = None, before: int | None = None, limit: int | None = None
    ) -> Page[OperationView]:
        """Return operations, newest first; `fleet` is `stage/slug`."""
        return self._get(Page[OperationView], _PATH, fleet=fleet, before=before, limit=limit)

    def operation(self, operation_id: int) -> OperationView:
        """Return one."""
        return self._get(OperationView, f"{_PATH}/{operation_id}")

    def operation_log(self, operation_id: int, *, after: int = 0) -> list[OperationLineView]:
        """Return pieces of what one said, in order, from the one after `after` on; none when that was all so far."""
        return self._get(list[OperationLineView], f"{_PATH}/{operation_id}/log", after=after)

    def cancel_operation(self, operation_id: int) -> OperationView:
        """Ask one to end."""
        return self._send(OperationView, "POST", f"{_PATH}/{operation_id}/cancel")
