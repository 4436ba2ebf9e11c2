"""The typed client of metrics."""

from urllib.parse import quote

from comfyfleet.client.api import ControlPlane
from comfyfleet.core.series import MetricsRange
from comfyfleet.protocol.metrics import AttentionView, FleetSeries


class MetricsPlane(ControlPlane):
    """How a control plane's fleets stood, and what needs attention."""

    def fleet_series(
        self, stage: str, slug: str, *, range_: MetricsRange | None = None, points: int | None = None
    ) -> FleetSeries:
        """Return how a fleet stood over time, in about so many steps."""
        path = f"/api/metrics/fleets/{quote(stage, safe='')}/{quote(slug, safe='')}"
        return self._get(FleetSeries, path, range=range_, points=points)

    def attention(self) -> list[AttentionView]:
        """Return what needs attention, the most urgent first."""
        return self._get(list[AttentionView], "/api/metrics/attention")
