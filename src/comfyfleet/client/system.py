"""The typed client of the control plane's own state."""

from comfyfleet.client.api import ControlPlane
from comfyfleet.protocol.system import SystemView


class SystemPlane(ControlPlane):
    """How a control plane stands."""

    def system(self) -> SystemView:
        """Return its version, its settings without secrets, and the health of what it depends on."""
        return self._get(SystemView, "/api/admin/system")
