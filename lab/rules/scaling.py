"""What policies ask for, which members go, and which are replaced next."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass
class Member:
    """A machine of a group. `since` is when it came to its state; `version` is of the template that it was made of."""

    instance_id: str
    launched_at: datetime
    since: datetime
    version: str
    image_id: str
    instance_type: str
    state: str = "Pending"
    health: str = "Healthy"
    is_protected: bool = False
    is_spot: bool = False
    hook_ends_at: datetime | None = None
    hook_last_at: datetime | None = None

    @property
    def is_leaving(self) -> bool:
        """Whether it counts no more."""
        return self.state.startswith("Terminat")


def adjusted(kind: str, adjustment: float, capacity: int, magnitude: int = 0) -> int:
    """Return the capacity after an adjustment, before the group's limits.

    Percentages of more than one machine are rounded towards zero, smaller ones away from it.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-simple-step.html#as-scaling-adjustment
    """
    if kind == "ExactCapacity":
        return int(adjustment)
    if kind == "ChangeInCapacity":
        return capacity + int(adjustment)
    change = capacity * adjustment / 100
    rounded = int(change) if abs(change) >= 1 else int(math.copysign(math.ceil(abs(change)), change))
    if magnitude and change and abs(rounded) < magnitude:
        rounded = int(math.copysign(magnitude, change))
    return capacity + rounded


def step_for(steps: Sequence[dict[str, Any]], breach: float) -> int | None:
    """Return the adjustment of the step that a breach falls in, which is the value less the threshold.

    A lower bound is inclusive above the threshold, an upper bound is inclusive below it.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-simple-step.html#as-scaling-steps
    """
    for step in steps:
        lower = step.get("MetricIntervalLowerBound", -math.inf)
        upper = step.get("MetricIntervalUpperBound", math.inf)
        if (breach >= 0 and lower <= breach < upper) or (breach < 0 and lower < breach <= upper):
            return int(step["ScalingAdjustment"])
    return None


def tracked(value: float, target: float, capacity: int, *, may_shrink: bool) -> int:
    """Return the capacity at which a metric per machine comes to its target: in proportion, rounded up.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html
    """
    wanted = math.ceil(capacity * value / target)
    return wanted if may_shrink else max(capacity, wanted)


def leaving(members: Sequence[Member], surplus: int, newest: str) -> list[Member]:
    """Return who goes when a group shrinks: never a protected one, old templates first, then the oldest.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-termination-policies.html and
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-instance-protection.html
    """
    free = [one for one in members if not one.is_protected and not one.is_leaving]
    free.sort(key=lambda one: (one.version == newest, one.launched_at, one.instance_id))
    return free[: max(0, surplus)]


def on_demand_wanted(size: int, base: int, percent: int) -> int:
    """Return how many of a group's machines are on-demand ones: a base, and a share of the rest, rounded up.

    How a fraction is rounded is not documented. https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_InstancesDistribution.html
    """
    above = max(0, size - base)
    return min(size, base) + math.ceil(above * percent / 100)


def batch_size(desired: int, min_healthy_percent: int) -> int:
    """Return how many machines a refresh replaces at once: at least one, so that it goes on at all.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-refresh-overview.html
    """
    return max(1, desired - math.ceil(desired * min_healthy_percent / 100))


def checkpoint_passed(before: int, after: int, checkpoints: Sequence[int]) -> bool:
    """Tell whether a refresh came past a checkpoint, where it waits; at 100 it is done and need not.

    https://docs.aws.amazon.com/autoscaling/ec2/userguide/asg-adding-checkpoints-instance-refresh.html
    """
    return any(before < one <= after and one < 100 for one in checkpoints)
