import pytest
from lab.errors import NotSimulated
from lab.rules.expressions import check, evaluate

WAKE = "IF(workers < 1, depth, 0)"


@pytest.mark.parametrize(
    ("expression", "values", "result"),
    [
        (WAKE, {"workers": 0, "depth": 3}, 3),
        (WAKE, {"workers": 2, "depth": 3}, 0),
        (WAKE, {"workers": None, "depth": 3}, None),
        (WAKE, {"workers": 0, "depth": None}, None),
        ("(a + b) * 2 - a / b", {"a": 1, "b": 4}, 9.75),
        ("a / b", {"a": 1, "b": 0}, None),
        ("a >= 2", {"a": 2}, 1),
    ],
)
def test_an_expression_has_the_value_of_its_moment(
    expression: str, values: dict[str, float | None], result: float | None
) -> None:
    assert evaluate(expression, values) == result


@pytest.mark.parametrize("expression", ["FILL(a, 0)", "a AND b", "unknown + 1", "a[0]", "__import__('os')", "1 +", ""])
def test_what_is_not_known_is_refused_by_name(expression: str) -> None:
    with pytest.raises(NotSimulated):
        check(expression, frozenset({"a", "b"}))
