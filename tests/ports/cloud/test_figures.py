"""`Figures` on this disk and on CloudWatch."""

from datetime import datetime, timedelta

from tests.ports.cloud.sites import DISK, LAB, MOTO, Site, on

from comfyfleet import names

everywhere = on(DISK, MOTO, LAB)


def minute(site: Site) -> datetime:
    """Return the beginning of this minute, by the cloud's own clock."""
    return site.cloud.now().replace(second=0, microsecond=0)


def put_alarm(site: Site, stage: str) -> str:
    name = names.queue_has_jobs_alarm(stage, "gpu-default")
    site.client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1,
        MetricName=names.Metric.QUEUE_DEPTH,
        Namespace=names.METRICS_NAMESPACE,
        Dimensions=[{"Name": names.FLEET_DIMENSION, "Value": stage}],
        Period=60,
        Statistic="Maximum",
        Threshold=0,
    )
    return name


@everywhere
def test_what_was_told_comes_back_as_averages_of_its_series(site: Site, stage: str) -> None:
    now, figures, dimensions = minute(site), site.cloud.figures, {names.FLEET_DIMENSION: stage}
    for minutes, depth in ((3, 4.0), (2, 6.0), (1, 1.0)):
        at = now - timedelta(minutes=minutes)
        figures.put(names.METRICS_NAMESPACE, dimensions, {names.Metric.QUEUE_DEPTH: depth, "ActiveWorkers": 1.0}, at)
        figures.put(names.METRICS_NAMESPACE, {names.FLEET_DIMENSION: "other"}, {names.Metric.QUEUE_DEPTH: 99.0}, at)
    start = now - timedelta(minutes=5)
    found = figures.series(names.METRICS_NAMESPACE, dimensions, names.Metric.QUEUE_DEPTH, start, now, 60)
    assert [value for _, value in found] == [4.0, 6.0, 1.0]
    assert [at for at, _ in found] == [now - timedelta(minutes=minutes) for minutes in (3, 2, 1)]


@everywhere
def test_a_series_that_nobody_told_is_empty(site: Site, stage: str) -> None:
    now, dimensions = minute(site), {names.FLEET_DIMENSION: stage}
    start = now - timedelta(hours=1)
    assert site.cloud.figures.series(names.METRICS_NAMESPACE, dimensions, "QueueDepth", start, now, 60) == []


@everywhere
def test_alarms_that_do_not_exist_are_left_out(site: Site, stage: str) -> None:
    assert site.cloud.figures.alarms([names.queue_empty_alarm(stage, "gpu-default")]) == []
    assert site.cloud.figures.alarms([]) == []


@on(LAB)
def test_an_alarm_tells_its_state_once_figures_that_were_put_breach_it(site: Site, stage: str) -> None:
    name, figures, dimensions = put_alarm(site, stage), site.cloud.figures, {names.FLEET_DIMENSION: stage}
    (before,) = figures.alarms([name])
    for _ in range(2):
        figures.put(names.METRICS_NAMESPACE, dimensions, {names.Metric.QUEUE_DEPTH: 1.0}, site.cloud.now())
        site.forward(60)
    (after,) = figures.alarms([name])
    assert (before.name, before.state) == (name, "INSUFFICIENT_DATA")
    assert (after.name, after.state) == (name, "ALARM")
    assert after.reason
    assert after.changed_at is not None


@on(MOTO)
def test_an_alarm_is_known_by_its_name_though_moto_never_evaluates_it(site: Site, stage: str) -> None:
    name = put_alarm(site, stage)
    site.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="Jobs wait.")
    (found,) = site.cloud.figures.alarms([name])
    assert (found.name, found.state, found.reason) == (name, "ALARM", "Jobs wait.")
