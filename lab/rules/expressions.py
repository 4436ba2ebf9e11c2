"""Metric math, as far as alarms of ours use it: numbers, ids, arithmetic, comparisons and IF.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Final

from lab.errors import NotSimulated

Value = float | None

_ARITHMETIC: Final[dict[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARISONS: Final[dict[type[ast.cmpop], Callable[[float, float], bool]]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def check(expression: str, ids: frozenset[str]) -> None:
    """Raise `NotSimulated` for an expression that uses more than is known here, or an id that there is none of."""
    _value(_parsed(expression), dict.fromkeys(ids, 1.0))


def evaluate(expression: str, values: Mapping[str, Value]) -> Value:
    """Return an expression's value at one moment, given the values of its ids.

    Where a value is missing that it needs, so is the result; a division by zero gives none either.
    """
    return _value(_parsed(expression), values)


def _parsed(expression: str) -> ast.expr:
    try:
        return ast.parse(expression.strip(), mode="eval").body
    except SyntaxError:
        raise NotSimulated(f"the metric math {expression!r}") from None


def _value(node: ast.expr, values: Mapping[str, Value]) -> Value:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name) if name in values:
            return values[name]
        case ast.BinOp(left, op, right) if type(op) in _ARITHMETIC:
            return _joined(_ARITHMETIC[type(op)], left, right, values)
        case ast.Compare(left, [op], [right]) if type(op) in _COMPARISONS:
            return _joined(_COMPARISONS[type(op)], left, right, values)
        case ast.Call(ast.Name(id="IF"), [condition, then, otherwise], []):
            is_so = _value(condition, values)
            chosen = [_value(then, values), _value(otherwise, values)]
            return None if is_so is None else chosen[0] if is_so else chosen[1]
    raise NotSimulated(f"the metric math {ast.unparse(node)!r}")


def _joined(
    join: Callable[[float, float], float], left: ast.expr, right: ast.expr, values: Mapping[str, Value]
) -> Value:
    first, second = _value(left, values), _value(right, values)
    if first is None or second is None:
        return None
    try:
        return float(join(first, second))
    except ZeroDivisionError:
        return None
