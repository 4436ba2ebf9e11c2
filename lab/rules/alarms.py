"""When an alarm changes its state.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

OK: Final = "OK"
ALARM: Final = "ALARM"
INSUFFICIENT: Final = "INSUFFICIENT_DATA"
EXTRA_POINTS: Final = 2
"""CloudWatch looks at more points than it evaluates, and leaves open how many; its tables show five for three."""

_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    "GreaterThanOrEqualToThreshold": lambda value, limit: value >= limit,
    "GreaterThanThreshold": lambda value, limit: value > limit,
    "LessThanThreshold": lambda value, limit: value < limit,
    "LessThanOrEqualToThreshold": lambda value, limit: value <= limit,
}
COMPARISONS: Final = frozenset(_COMPARE)


def next_state(alarm: dict[str, Any], points: Sequence[float | None]) -> str:
    """Return the state that follows from points, newest first, where None is a missing one.

    `points` are as many as are evaluated and `EXTRA_POINTS` more. Real ones are taken before missing ones are filled.
    A few that do not reach the wanted number, the rest missing, are no alarm.
    """
    periods = alarm["EvaluationPeriods"]
    wanted = alarm.get("DatapointsToAlarm", periods)
    treatment = alarm.get("TreatMissingData", "missing")
    is_breach = _COMPARE[alarm["ComparisonOperator"]]
    breaches = [None if one is None else bool(is_breach(one, alarm["Threshold"])) for one in points]
    real = [one for one in breaches if one is not None][:periods]
    missing = periods - len(real)
    if not missing or treatment in {"breaching", "notBreaching"}:
        count = real.count(True) + (missing if treatment == "breaching" else 0)
        return ALARM if count >= wanted else OK
    if treatment == "ignore":
        return str(alarm["StateValue"])
    if not real:
        return INSUFFICIENT
    return ALARM if real.count(True) >= wanted or _has_breached_for_long(breaches[:periods], wanted) else OK


def _has_breached_for_long(breaches: Sequence[bool | None], wanted: int) -> bool:
    """Tell whether the oldest breach is old enough and all that is newer breaches or is missing."""
    return False not in breaches and any(breaches[wanted - 1 :])


def statistic(name: str, values: Sequence[float]) -> float | None:
    """Sum up the values of a period; None when there are none."""
    if not values:
        return None
    return {
        "Average": sum(values) / len(values),
        "Sum": sum(values),
        "Minimum": min(values),
        "Maximum": max(values),
        "SampleCount": float(len(values)),
    }[name]


STATISTICS: Final = frozenset({"Average", "Sum", "Minimum", "Maximum", "SampleCount"})
