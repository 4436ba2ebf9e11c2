"""The table that a person reads, and the line of JSON that a program reads. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from benchmarks.apply.bars import Figures
from benchmarks.apply.contenders import ABOUT, Name
from benchmarks.apply.rounds import Again
from benchmarks.bars import Bar
from benchmarks.bars import json_line as line_of

_HEAD: Final = (
    f"{'contender':<18} {'median s':>9} {'min s':>8} {'max s':>8} {'CPU s':>8} {'MiB':>7} {'runs':>5}  what it does"
)


def table(found: Mapping[Name, Figures]) -> str:
    """Return a line a contender, the fastest first."""
    lines = [_HEAD, "-" * len(_HEAD)]
    for name, one in sorted(found.items(), key=lambda item: item[1].wall):
        lines.append(
            f"{name:<18} {one.wall:9.2f} {one.wall_min:8.2f} {one.wall_max:8.2f} {one.cpu:8.2f} {one.peak_mib:7.0f}"
            f" {one.runs:5}  {ABOUT[name]}"
        )
    return "\n".join(lines)


def json_line(
    runs: int, found: Mapping[Name, Figures], again: Again | None, ratios: Mapping[str, float], bars: Mapping[str, Bar]
) -> str:
    """Return everything in one line."""
    figures = {name.value: _figures_document(one) for name, one in found.items()} | _again_document(again)
    return line_of("apply", runs, figures, ratios, bars)


def _figures_document(one: Figures) -> dict[str, float]:
    return {
        "wall_seconds": round(one.wall, 3),
        "wall_seconds_min": round(one.wall_min, 3),
        "wall_seconds_max": round(one.wall_max, 3),
        "cpu_seconds": round(one.cpu, 3),
        "peak_mib": round(one.peak_mib, 1),
        "runs": one.runs,
    }


def _again_document(again: Again | None) -> dict[str, Any]:
    if again is None:
        return {}
    return {
        "apply-again": {
            "wall_seconds": [round(used.wall, 3) for used in again.same],
            "object_bytes": again.same_bytes,
        },
        "apply-sharing": {
            "wall_seconds": round(again.shared.wall, 3),
            "object_bytes": again.shared_bytes,
            "bundle_bytes": again.shared_total,
        },
    }
