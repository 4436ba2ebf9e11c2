"""`Figures` on this disk and on CloudWatch."""

from datetime import UTC, datetime, timedelta

import pytest

from comfyfleet import names
from comfyfleet.cloud.aws.clients import make_client
from comfyfleet.cloud.aws.figures import CloudWatchFigures
from comfyfleet.cloud.fleet_ports import Figures

NOW = datetime.now(UTC).replace(second=0, microsecond=0)


def test_what_was_told_comes_back_as_averages_of_its_series(figures: Figures, stage: str) -> None:
    dimensions = {names.FLEET_DIMENSION: stage}
    for minutes, depth in ((3, 4.0), (2, 6.0), (1, 1.0)):
        at = NOW - timedelta(minutes=minutes)
        figures.put(names.METRICS_NAMESPACE, dimensions, {names.Metric.QUEUE_DEPTH: depth, "ActiveWorkers": 1.0}, at)
        figures.put(names.METRICS_NAMESPACE, {names.FLEET_DIMENSION: "other"}, {names.Metric.QUEUE_DEPTH: 99.0}, at)
    start = NOW - timedelta(minutes=5)
    found = figures.series(names.METRICS_NAMESPACE, dimensions, names.Metric.QUEUE_DEPTH, start, NOW, 60)
    assert [value for _, value in found] == [4.0, 6.0, 1.0]
    assert [at for at, _ in found] == [NOW - timedelta(minutes=minutes) for minutes in (3, 2, 1)]


def test_a_series_that_nobody_told_is_empty(figures: Figures, stage: str) -> None:
    start = NOW - timedelta(hours=1)
    assert figures.series(names.METRICS_NAMESPACE, {names.FLEET_DIMENSION: stage}, "QueueDepth", start, NOW, 60) == []


def test_alarms_that_do_not_exist_are_left_out(figures: Figures, stage: str) -> None:
    assert figures.alarms([names.queue_empty_alarm(stage, "gpu-default")]) == []
    assert figures.alarms([]) == []


@pytest.mark.usefixtures("aws")
def test_an_alarm_is_known_by_its_name_though_moto_never_evaluates_it(stage: str) -> None:
    name = names.queue_has_jobs_alarm(stage, "gpu-default")
    make_client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1,
        MetricName=names.Metric.QUEUE_DEPTH,
        Namespace=names.METRICS_NAMESPACE,
        Period=60,
        Statistic="Maximum",
        Threshold=0,
    )
    make_client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="Jobs wait.")
    (found,) = CloudWatchFigures().alarms([name])
    assert (found.name, found.state, found.reason) == (name, "ALARM", "Jobs wait.")
