"""The rules beside the tables of AWS's documentation."""

import pytest
from lab.rules.alarms import next_state
from lab.rules.scaling import adjusted, batch_size, step_for


@pytest.mark.parametrize(
    ("points", "missing", "ignore", "breaching", "not_breaching"),
    [  # oldest first, three of three; X breaches: the first table of alarm-evaluation.html
        ("0-X-X", "OK", "OK", "OK", "OK"),
        ("----0", "OK", "kept", "OK", "OK"),
        ("-----", "INSUFFICIENT_DATA", "kept", "ALARM", "OK"),
        ("0XX-X", "ALARM", "ALARM", "ALARM", "ALARM"),
        ("--X--", "ALARM", "kept", "ALARM", "OK"),
    ],
)
def test_missing_points_are_treated_as_the_table_says(
    points: str, missing: str, ignore: str, breaching: str, not_breaching: str
) -> None:
    values = [{"0": 0.0, "X": 9.0, "-": None}[one] for one in reversed(points)]
    wanted = {"missing": missing, "ignore": ignore, "breaching": breaching, "notBreaching": not_breaching}
    found = {
        treatment: next_state(
            {
                "EvaluationPeriods": 3,
                "Threshold": 5,
                "ComparisonOperator": "GreaterThanThreshold",
                "TreatMissingData": treatment,
                "StateValue": "kept",
            },
            values,
        )
        for treatment in wanted
    }
    assert found == wanted


def test_two_of_three_breaches_are_enough_when_two_are_asked_for() -> None:
    alarm = {
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "Threshold": 0,
        "ComparisonOperator": "GreaterThanThreshold",
    }
    assert next_state(alarm, [1, 0, 1, 0, 0]) == "ALARM"
    assert next_state(alarm, [1, 0, 0, 1, 1]) == "OK"


@pytest.mark.parametrize(("change", "after"), [(12.67, 22), (0.67, 11), (-0.58, 9), (-6.67, 4)])
def test_percentages_are_rounded_as_documented(change: float, after: int) -> None:
    assert adjusted("PercentChangeInCapacity", change * 10, 10) == after


def test_a_breach_falls_into_one_step() -> None:
    steps = [
        {"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 10.0, "ScalingAdjustment": 1},
        {"MetricIntervalLowerBound": 10.0, "ScalingAdjustment": 3},
    ]
    assert [step_for(steps, breach) for breach in (-1, 0, 9.9, 10)] == [None, 1, 1, 3]


@pytest.mark.parametrize(("desired", "percent", "size"), [(1, 90, 1), (10, 90, 1), (10, 50, 5), (3, 0, 3)])
def test_a_refresh_replaces_at_least_one_machine_at_once(desired: int, percent: int, size: int) -> None:
    assert batch_size(desired, percent) == size
