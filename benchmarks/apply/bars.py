"""What was promised, and whether the measurements keep it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from benchmarks.apply.contenders import VERIFIED, Name
from benchmarks.apply.measure import Usage
from benchmarks.apply.rounds import Again
from benchmarks.bars import Bar

MIB: Final = 2**20

WALL_LIMITS: Final[Mapping[str, float]] = {
    "wall_to_best_verified": 0.9,
    "wall_to_s5cmd": 1.0,
    "wall_to_aws_serial": 0.35,
    "wall_to_direct_write": 2.0,
}
CPU_LIMIT: Final = 0.75
PEAK_MIB_LIMIT: Final = 128.0
AGAIN_SECONDS_LIMIT: Final = 0.5
SHARED_FETCHED_LIMIT: Final = 0.1


@dataclass(frozen=True)
class Figures:
    """Medians and extremes of one contender: seconds, seconds of processors, MiB (the most of all runs)."""

    wall: float
    wall_min: float
    wall_max: float
    cpu: float
    peak_mib: float
    runs: int


def figures(usages: Sequence[Usage]) -> Figures:
    """Return what at least one run of a contender comes to."""
    walls = [used.wall for used in usages]
    return Figures(
        wall=median(walls),
        wall_min=min(walls),
        wall_max=max(walls),
        cpu=median(used.cpu for used in usages),
        peak_mib=max(used.peak for used in usages) / MIB,
        runs=len(usages),
    )


def ratios(found: Mapping[Name, Figures]) -> dict[str, float]:
    """Return ours as a multiple of each peer that ran; the CPU's both against the fastest and the thriftiest."""
    ours = found.get(Name.OURS)
    if ours is None:
        return {}
    result: dict[str, float] = {}
    verified = [found[name] for name in VERIFIED if name in found]
    if verified:
        best = min(verified, key=lambda one: one.wall)
        result["wall_to_best_verified"] = ours.wall / best.wall
        result["cpu_to_best_verified"] = ours.cpu / best.cpu
        result["cpu_to_thriftiest_verified"] = ours.cpu / min(one.cpu for one in verified)
    single = {
        "wall_to_s5cmd": Name.S5CMD,
        "wall_to_rclone": Name.RCLONE,
        "wall_to_boto3": Name.BOTO3,
        "wall_to_aws_serial": Name.AWS_SERIAL,
        "wall_to_direct_write": Name.DIRECT,
        "wall_to_read_only": Name.READ_ONLY,
    }
    return result | {label: ours.wall / found[name].wall for label, name in single.items() if name in found}


def bars(found: Mapping[Name, Figures], again: Again | None) -> dict[str, Bar]:
    """Return every bar; those that lack a measurement do not hold."""
    known = ratios(found)
    ours = found.get(Name.OURS)
    result = {name: Bar(limit, known.get(name)) for name, limit in WALL_LIMITS.items()}
    result["cpu_to_best_verified"] = Bar(CPU_LIMIT, known.get("cpu_to_best_verified"))
    peaks = [] if ours is None or again is None else [ours.peak_mib, again.shared.peak / MIB]
    result["peak_mib"] = Bar(PEAK_MIB_LIMIT, max(peaks, default=None), is_strict=True)
    same = None if again is None else median(used.wall for used in again.same)
    result["again_seconds"] = Bar(AGAIN_SECONDS_LIMIT, same, is_strict=True)
    result["again_object_bytes"] = Bar(0, None if again is None else again.same_bytes)
    fetched = None if again is None else again.shared_bytes / again.shared_total
    result["shared_fetched"] = Bar(SHARED_FETCHED_LIMIT, fetched)
    return result
