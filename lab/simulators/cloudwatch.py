"""CloudWatch: metrics by their dimensions, and alarms that are evaluated every minute."""

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from lab.clock import Clock
from lab.errors import ApiError, NotSimulated
from lab.rules import alarms as rules
from lab.rules.watched import Metric, watched_by
from lab.server import Action

Series = list[tuple[datetime, float]]
OnAlarm = Callable[[str, dict[str, Any], float | None], None]
_MINUTE: Final = timedelta(minutes=1)


class CloudWatch:
    """Keeps series and alarms; `act` gets an action's ARN, its alarm and the newest value."""

    def __init__(self, clock: Clock, act: OnAlarm) -> None:
        self._clock = clock
        self._act = act
        self._series: dict[tuple[str, str, frozenset[tuple[str, str]]], Series] = {}
        self._alarms: dict[str, dict[str, Any]] = {}
        self._evaluated_at = clock.now()

    def actions(self) -> dict[str, Action]:
        """Return what we answer."""
        return {
            "cloudwatch:PutMetricData": self.put,
            "cloudwatch:GetMetricData": self.get,
            "cloudwatch:PutMetricAlarm": self.put_alarm,
            "cloudwatch:DescribeAlarms": self.describe,
            "cloudwatch:DeleteAlarms": self.delete,
            "cloudwatch:SetAlarmState": self.set_state,
        }

    def put(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Keep values; one without a time is of now."""
        for one in parameters["MetricData"]:
            if "Value" not in one:
                raise NotSimulated("PutMetricData with statistic sets or arrays of values")
            at = self._clock.simulated(one["Timestamp"]) if "Timestamp" in one else self._clock.now()
            self._series.setdefault(_key({**one, "Namespace": parameters["Namespace"]}), []).append((at, one["Value"]))
        return {}

    def get(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return statistics by period; periods begin at whole multiples of their length."""
        end = self._clock.simulated(parameters["EndTime"])
        start = end - (parameters["EndTime"] - parameters["StartTime"])
        newest_first = parameters.get("ScanBy", "TimestampDescending") == "TimestampDescending"
        results = []
        for query in parameters["MetricDataQueries"]:
            if "MetricStat" not in query:
                raise NotSimulated("metric math")
            stat = query["MetricStat"]
            _check_statistic(stat["Stat"])
            periods: dict[datetime, list[float]] = {}
            for at, value in self._series.get(_key(stat["Metric"]), []):
                if start <= at < end:
                    periods.setdefault(_floor(at, stat["Period"]), []).append(value)
            found = [(at, rules.statistic(stat["Stat"], values)) for at, values in sorted(periods.items())]
            found = found[::-1] if newest_first else found
            results.append(
                {
                    "Id": query["Id"],
                    "Label": query.get("Label", stat["Metric"]["MetricName"]),
                    "Timestamps": [at for at, _ in found],
                    "Values": [value for _, value in found],
                    "StatusCode": "Complete",
                }
            )
        return {"MetricDataResults": results}

    def put_alarm(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Make an alarm, or change one, which keeps its state."""
        if "ThresholdMetricId" in parameters:
            raise NotSimulated("alarms on anomalies")
        if parameters["ComparisonOperator"] not in rules.COMPARISONS:
            raise NotSimulated(f"the comparison {parameters['ComparisonOperator']}")
        watched = watched_by(parameters)
        for metric in watched.metrics.values():
            _check_statistic(metric.statistic)
        before = self._alarms.get(parameters["AlarmName"], {})
        kept = {name: before[name] for name in before if name.startswith("State")}
        now = self._clock.now()
        self._alarms[parameters["AlarmName"]] = {
            "ActionsEnabled": True,
            "StateValue": rules.INSUFFICIENT,
            "StateReason": "Unchecked: Initial alarm creation",
            "StateUpdatedTimestamp": now,
            "AlarmArn": f"arn:aws:cloudwatch:eu-central-1:123456789012:alarm:{parameters['AlarmName']}",
            **parameters,
            **kept,
        }
        return {}

    def describe(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return alarms by names, prefix or state."""
        names, prefix = parameters.get("AlarmNames"), parameters.get("AlarmNamePrefix", "")
        state = parameters.get("StateValue")
        found = [
            alarm
            for name, alarm in sorted(self._alarms.items())
            if (names is None or name in names) and name.startswith(prefix) and state in {None, alarm["StateValue"]}
        ]
        return {"MetricAlarms": found, "CompositeAlarms": []}

    def delete(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Forget alarms."""
        for name in parameters["AlarmNames"]:
            self._alarms.pop(name, None)
        return {}

    def set_state(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Set a state until the next evaluation, with its actions."""
        alarm = self._alarms.get(parameters["AlarmName"])
        if alarm is None:
            raise ApiError("ResourceNotFound", f"There is no alarm {parameters['AlarmName']}.")
        self._change(alarm, parameters["StateValue"], parameters["StateReason"], None)
        return {}

    def step(self, now: datetime) -> None:
        """Evaluate all alarms when a minute is over."""
        if _floor(now, 60) <= _floor(self._evaluated_at, 60):
            return
        self._evaluated_at = now
        for alarm in list(self._alarms.values()):
            count = alarm["EvaluationPeriods"] + rules.EXTRA_POINTS
            points = self._points(alarm, _floor(now, 60), count)
            state = rules.next_state(alarm, points)
            newest = next((one for one in points if one is not None), None)
            reason = f"{count} periods to {now:%H:%M}, newest first: {points}"
            self._change(alarm, state, reason, newest)

    def _points(self, alarm: dict[str, Any], end: datetime, count: int) -> list[float | None]:
        watched = watched_by(alarm)
        length = timedelta(seconds=watched.period)
        windows = [(end - length * (index + 1), end - length * index) for index in range(count)]
        return [
            watched.value({name: self._of(one, *window) for name, one in watched.metrics.items()}) for window in windows
        ]

    def _of(self, metric: Metric, start: datetime, end: datetime) -> float | None:
        series = self._series.get(_key(metric.parameters), [])
        return rules.statistic(metric.statistic, [value for at, value in series if start <= at < end])

    def _change(self, alarm: dict[str, Any], state: str, reason: str, value: float | None) -> None:
        """Act at a change; policies are told every minute for as long as the state lasts.

        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions.html
        """
        is_new = alarm["StateValue"] != state
        if is_new:
            alarm.update(StateValue=state, StateReason=reason, StateUpdatedTimestamp=self._clock.now())
        kinds = {rules.ALARM: "AlarmActions", rules.OK: "OKActions", rules.INSUFFICIENT: "InsufficientDataActions"}
        for arn in alarm.get(kinds[state], []) if alarm["ActionsEnabled"] else []:
            if is_new or ":autoscaling:" in arn:
                self._act(arn, alarm, value)


def _check_statistic(name: str) -> None:
    if name not in rules.STATISTICS:
        raise NotSimulated(f"the statistic {name}")


def _key(metric: Mapping[str, Any]) -> tuple[str, str, frozenset[tuple[str, str]]]:
    dimensions = frozenset((one["Name"], one["Value"]) for one in metric.get("Dimensions", []))
    return metric["Namespace"], metric["MetricName"], dimensions


def _floor(at: datetime, seconds: int) -> datetime:
    return datetime.fromtimestamp(math.floor(at.timestamp() / seconds) * seconds, at.tzinfo)
