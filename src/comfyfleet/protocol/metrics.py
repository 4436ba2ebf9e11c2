"""Wire models of how fleets stood over time, and of what needs attention."""

from datetime import datetime

from pydantic import BaseModel

from comfyfleet.core.attention import Matter, Severity
from comfyfleet.core.series import MetricsRange


class FleetPoint(BaseModel):
    """A fleet in one step of time, from `at` on.

    From samples, null where none was taken: jobs `queued` and `processing`, `workers` and their `capacity` on average,
    and the longest that a queued job had waited. `desired` is how many machines the fleet's group was told to have, on
    average, null where nothing tells it. From jobs that ended in this step: how many, and the median and the
    95th percentile of the seconds that completed ones took.
    """

    at: datetime
    queued: float | None
    processing: float | None
    oldest_seconds: float | None
    workers: float | None
    capacity: float | None
    desired: float | None = None
    completed: int
    failed: int
    median_seconds: float | None
    p95_seconds: float | None


class FleetSeries(BaseModel):
    """How a fleet stood, in equal steps, oldest first. The last step is not over yet."""

    fleet_slug: str
    stage: str
    range: MetricsRange
    step_seconds: int
    points: list[FleetPoint]


class AttentionView(BaseModel):
    """One thing that needs attention: how urgent, what it is about, and what to do.

    `fleet` is `stage/slug`, empty where it is about no fleet.
    """

    severity: Severity
    matter: Matter
    fleet: str
    words: str
    advice: str
