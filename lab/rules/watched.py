"""What an alarm watches: one metric, or an expression over several.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lab.errors import ApiError, NotSimulated
from lab.rules.expressions import Value, check, evaluate

_ONLY: Final = "it"


@dataclass(frozen=True)
class Metric:
    """A metric, by the parameters that name it, and the statistic of each period."""

    parameters: Mapping[str, Any]
    statistic: str


@dataclass(frozen=True)
class Watched:
    """The metrics by their ids, and the expression over them; `period` in seconds."""

    metrics: Mapping[str, Metric]
    expression: str
    period: int

    def value(self, values: Mapping[str, Value]) -> Value:
        """Return what is compared with the threshold, given each metric's value in a period."""
        return evaluate(self.expression, values)


def watched_by(alarm: Mapping[str, Any]) -> Watched:
    """Return what an alarm's parameters say that it watches.

    Raises:
        ApiError: They are not one expression, or one metric, that is returned.
        NotSimulated: Metrics of different periods, or what `expressions` does not know.
    """
    if "Metrics" not in alarm:
        return _checked(Watched({_ONLY: Metric(alarm, alarm.get("Statistic", "none"))}, _ONLY, alarm["Period"]))
    queries = alarm["Metrics"]
    returned = [one for one in queries if one.get("ReturnData", True)]
    if len(returned) != 1:
        raise ApiError("ValidationError", "Exactly one of the metrics of an alarm has ReturnData.")
    stats = {one["Id"]: one["MetricStat"] for one in queries if "MetricStat" in one}
    expression = returned[0].get("Expression", returned[0]["Id"])
    if any("Expression" in one for one in queries if one is not returned[0]):
        raise NotSimulated("expressions over expressions")
    periods = {stat["Period"] for stat in stats.values()}
    if len(periods) != 1:
        raise NotSimulated("alarms over metrics of different periods")
    metrics = {name: Metric(stat["Metric"], stat["Stat"]) for name, stat in stats.items()}
    return _checked(Watched(metrics, expression, periods.pop()))


def _checked(watched: Watched) -> Watched:
    if watched.period % 60:
        raise NotSimulated("alarms on periods shorter than a minute")
    check(watched.expression, frozenset(watched.metrics))
    return watched
