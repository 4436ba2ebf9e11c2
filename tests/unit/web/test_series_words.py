from datetime import UTC, datetime, timedelta
from typing import Any

from comfyfleet.core.series import MetricsRange
from comfyfleet.protocol.metrics import FleetPoint, FleetSeries
from comfyfleet.web.series_words import charts_of, columns_of

NOW = datetime(2026, 2, 20, 12, tzinfo=UTC)
NOTHING: dict[str, Any] = {
    "queued": None,
    "processing": None,
    "oldest_seconds": None,
    "workers": None,
    "capacity": None,
    "completed": 0,
    "failed": 0,
    "median_seconds": None,
    "p95_seconds": None,
}


def series(*points: dict[str, Any]) -> FleetSeries:
    return FleetSeries(
        fleet_slug="gpu",
        stage="local",
        range=MetricsRange.HOUR,
        step_seconds=1800,
        points=[
            FleetPoint(at=NOW + index * timedelta(minutes=30), **{**NOTHING, **point})
            for index, point in enumerate(points)
        ],
    )


def words(*points: dict[str, Any]) -> dict[str, str]:
    return {chart.key: chart.words for chart in charts_of(series(*points))}


def test_where_nothing_was_measured_that_is_told() -> None:
    told = words({}, {})
    assert told["queue"] == told["age"] == told["capacity"] == "Nothing was measured in this time."
    assert told["throughput"] == "0 jobs completed, 0 an hour; a bar is 30 min."
    assert told["errors"] == "No job failed."
    assert told["durations"] == "No job was completed."


def test_only_a_fleet_in_a_cloud_has_a_chart_of_machines() -> None:
    assert "machines" not in words({"workers": 1})
    assert words({"desired": 3, "workers": 0}, {"desired": 1, "workers": 1})["machines"] == (
        "1 machine wanted lately, 3 at most; 1 worker active."
    )
    assert words({"desired": 2})["machines"] == "2 machines wanted lately, 2 at most."


def test_a_busy_fleet_is_told_in_sentences() -> None:
    before = {
        "queued": 4,
        "oldest_seconds": 90,
        "processing": 2,
        "capacity": 2,
        "completed": 19,
        "median_seconds": 3.1,
        "p95_seconds": 9,
    }
    after = {
        **before,
        "queued": 1.5,
        "oldest_seconds": 12,
        "processing": 1,
        "failed": 2,
        "median_seconds": 2,
        "p95_seconds": 5,
    }
    assert words(before, after, {}) == {
        "queue": "1.5 queued lately, 2.8 on average, 4 at most.",
        "age": "12 s lately, 1 min 30 s at most.",
        "throughput": "38 jobs completed, 25.3 an hour; a bar is 30 min.",
        "errors": "2 jobs failed, 5.0% of those that ended.",
        "durations": "Lately half took up to 2 s, 95 % up to 5 s; at worst 9 s.",
        "capacity": "Room for 2 jobs at a time lately; 75% was used on average.",
    }


def test_a_fleet_without_workers_or_waiting_jobs_is_told() -> None:
    told = words({"queued": 0, "oldest_seconds": 0, "processing": 0, "capacity": 0})
    assert (told["age"], told["capacity"]) == ("No job had to wait.", "No worker was there.")
    assert words({"oldest_seconds": 5}, {"oldest_seconds": 0})["age"] == "None waits now, 5 s at most."


def test_columns_are_as_long_as_the_series_and_have_gaps_where_nothing_is_known() -> None:
    columns = columns_of(series({"queued": 1}, {}))
    assert columns["at"] == [int(NOW.timestamp()), int(NOW.timestamp()) + 1800]
    assert columns["queued"] == [1, None]
    assert set(columns) == set(FleetPoint.model_fields)
