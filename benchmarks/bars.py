"""What a benchmark promises, the table that a person reads, and the line of JSON that a program reads. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Bar:
    """`measured` has to be at most `limit`; None was not measured, and does not hold."""

    limit: float
    measured: float | None
    is_strict: bool = False

    @property
    def holds(self) -> bool:
        """Whether the bar is kept."""
        if self.measured is None:
            return False
        return self.measured < self.limit if self.is_strict else self.measured <= self.limit


def bars_table(bars: Mapping[str, Bar]) -> str:
    """Return a line a bar."""
    lines = [f"{'bar':<24} {'limit':>8} {'measured':>9}"]
    for name, bar in bars.items():
        measured = "-" if bar.measured is None else f"{bar.measured:.3f}"
        sign = "<" if bar.is_strict else "<="
        limit = f"{sign} {bar.limit:g}"
        lines.append(f"{name:<24} {limit:>8} {measured:>9}  {'holds' if bar.holds else 'DOES NOT HOLD'}")
    return "\n".join(lines)


def json_line(
    bench: str, runs: int, figures: Mapping[str, Any], ratios: Mapping[str, float], bars: Mapping[str, Bar]
) -> str:
    """Return everything in one line, rounded to what was measured."""
    document = {
        "bench": bench,
        "runs": runs,
        "figures": figures,
        "ratios": {name: round(value, 4) for name, value in ratios.items()},
        "bars": {
            name: {
                "limit": bar.limit,
                "measured": None if bar.measured is None else round(bar.measured, 4),
                "holds": bar.holds,
            }
            for name, bar in bars.items()
        },
    }
    return json.dumps(document)


def end(bench: str, runs: int, figures: Mapping[str, Any], ratios: Mapping[str, float], bars: Mapping[str, Bar]) -> int:
    """Print the bars and the line; return the exit status."""
    print(bars_table(bars))
    print(json_line(bench, runs, figures, ratios, bars))
    return 0 if all(bar.holds for bar in bars.values()) else 1
