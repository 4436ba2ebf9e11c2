import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from typer.testing import Result

from comfyfleet.core.attention import Matter, Severity
from comfyfleet.core.series import MetricsRange
from comfyfleet.protocol.metrics import AttentionView, FleetPoint, FleetSeries

if TYPE_CHECKING:
    from tests.unit.conftest import FakePlane

Fleet = Callable[..., Result]

NOW = datetime(2026, 2, 20, 12, 34, 56, tzinfo=UTC)
BUSY = FleetPoint(
    at=NOW,
    queued=12.5,
    processing=2,
    oldest_seconds=75,
    workers=2,
    capacity=4,
    desired=3,
    completed=40,
    failed=1,
    median_seconds=3.25,
    p95_seconds=8,
)
EMPTY = FleetPoint(
    at=NOW,
    queued=None,
    processing=None,
    oldest_seconds=None,
    workers=None,
    capacity=None,
    completed=0,
    failed=0,
    median_seconds=None,
    p95_seconds=None,
)


def test_a_fleet_over_time_is_a_table_of_few_lines(fleet: Fleet, fake_plane: "FakePlane") -> None:
    series = FleetSeries(
        fleet_slug="gpu", stage="local", range=MetricsRange.HOUR, step_seconds=300, points=[EMPTY, BUSY]
    )
    fake_plane.says("GET", "/api/metrics/fleets/local/gpu", series)
    result = fleet("fleets", "metrics", "gpu")
    _, empty, busy = result.stdout.splitlines()
    assert empty.split()[2:] == ["-", "-", "-", "-", "-", "0", "0", "-", "-"]
    assert busy.split()[2:] == ["12.5", "1", "min", "15", "s", "2", "4", "3", "40", "1", "3.2", "s", "8", "s"]
    assert "In 1h: 40 jobs completed, 1 failed. One line is 5 min" in result.stderr
    assert fake_plane.received[0].query == {"range": "1h", "points": "12"}
    assert (
        json.loads(fleet("fleets", "metrics", "gpu", "--range", "7d", "--json").stdout)["points"][1]["queued"] == 12.5
    )
    assert fake_plane.received[1].query == {"range": "7d"}


def test_what_needs_attention_is_listed_with_what_to_do(fleet: Fleet, fake_plane: "FakePlane") -> None:
    finding = AttentionView(
        severity=Severity.CRITICAL,
        matter=Matter.NO_WORKER,
        fleet="local/gpu",
        words="2 jobs wait.",
        advice="Start one.",
    )
    fake_plane.says("GET", "/api/metrics/attention", [finding])
    result = fleet("attention")
    assert (result.exit_code, "2 jobs wait." in result.stdout, "Start one." in result.stdout) == (0, True, True)
    assert fleet("attention", "--check").exit_code == 1
    assert json.loads(fleet("attention", "--json").stdout)[0]["matter"] == "no_worker"


def test_nothing_that_needs_attention_is_told(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("GET", "/api/metrics/attention", [])
    result = fleet("attention", "--check")
    assert (result.exit_code, "Nothing needs attention." in result.stderr) == (0, True)
