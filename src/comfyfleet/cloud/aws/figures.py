"""Metrics and alarms of CloudWatch."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from comfyfleet.cloud.aws.clients import make_client
from comfyfleet.cloud.aws.errors import service_errors
from comfyfleet.cloud.fleet_ports import Alarm


class CloudWatchFigures:
    """Metrics and alarms; see `Figures`."""

    def __init__(self, client: Any = None) -> None:
        self._watch = client or make_client("cloudwatch")

    def put(self, namespace: str, dimensions: Mapping[str, str], values: Mapping[str, float], at: datetime) -> None:
        """Tell several figures of one moment, in one call."""
        data = [
            {"MetricName": name, "Dimensions": _dimensions(dimensions), "Timestamp": at, "Value": value}
            | {"StorageResolution": 1}  # they come every ten seconds
            for name, value in values.items()
        ]
        with service_errors(f"Telling CloudWatch figures of {namespace}"):
            self._watch.put_metric_data(Namespace=namespace, MetricData=data)

    def series(
        self, namespace: str, dimensions: Mapping[str, str], metric: str, start: datetime, end: datetime, period: int
    ) -> list[tuple[datetime, float]]:
        """Return the averages of a figure by periods."""
        which = {"Namespace": namespace, "MetricName": metric, "Dimensions": _dimensions(dimensions)}
        query = {"Id": "wanted", "MetricStat": {"Metric": which, "Period": period, "Stat": "Average"}}
        with service_errors(f"Asking CloudWatch for {metric}"):
            pages = self._watch.get_paginator("get_metric_data").paginate(
                MetricDataQueries=[query], StartTime=start, EndTime=end, ScanBy="TimestampAscending"
            )
            results = [result for page in pages for result in page["MetricDataResults"]]
        return [pair for one in results for pair in zip(one["Timestamps"], one["Values"], strict=True)]

    def alarms(self, names: Sequence[str]) -> list[Alarm]:
        """Return those of these alarms that exist."""
        if not names:
            return []
        with service_errors("Asking for alarms"):
            pages = self._watch.get_paginator("describe_alarms").paginate(AlarmNames=list(names))
            return [_alarm(one) for page in pages for one in page["MetricAlarms"]]


def _dimensions(dimensions: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in dimensions.items()]


def _alarm(found: dict[str, Any]) -> Alarm:
    return Alarm(
        name=found["AlarmName"],
        state=found["StateValue"],
        reason=found.get("StateReason", ""),
        changed_at=found.get("StateUpdatedTimestamp"),
    )
