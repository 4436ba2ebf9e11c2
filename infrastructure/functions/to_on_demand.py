"""Turns a fleet to on-demand machines when a spot one could not be launched, until the fleet was at zero again.

It runs on Lambda with what that has: Python and boto3. `GROUP` comes from the environment.
"""

import os
from typing import Any

import boto3
from on_demand import set_share  # type: ignore[import-not-found]  # on Lambda all files lie beside each other

_NO_SPOT = (
    "no Spot capacity",
    "Could not launch Spot Instances. InsufficientInstanceCapacity",
    "Could not launch Spot Instances. UnfulfillableCapacity",
    "MaxSpotInstanceCountExceeded",
    "Max spot instance count exceeded",
    "SpotMaxPriceTooLow",
)
"""What is said of a lack of spot machines, after the codes of
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html. Other failures of a spot launch, such as a
type that a zone does not have or a wrong template, would fail with on-demand machines, too.
"""


def handle(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Let the group launch on-demand machines if the reason of the failure is a lack of spot machines."""
    group = os.environ["GROUP"]
    detail = event.get("detail", {})
    reason = str(detail.get("StatusMessage", ""))
    if detail.get("AutoScalingGroupName") != group or not any(words.lower() in reason.lower() for words in _NO_SPOT):
        return _done(group, f"left: {reason or 'another event'}")
    scaling = boto3.client("autoscaling")
    found = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"]
    if not found:
        return _done(group, "left: there is no such group")
    set_share(scaling, found[0], 100)
    return _done(group, f"on demand: {reason}")


def _done(group: str, words: str) -> dict[str, Any]:
    print(f"{group}: {words}")  # Lambda's log
    return {"group": group, "done": words}
