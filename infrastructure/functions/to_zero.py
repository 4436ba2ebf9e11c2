"""Brings a fleet back to zero when its queue has been empty: called by the alarm, and every 15 minutes to look again.

It runs on Lambda with what that has: Python and boto3. `GROUP` and `QUEUE_EMPTY_ALARM` come from the environment.
"""

import os
from typing import Any

import boto3
from on_demand import set_share  # type: ignore[import-not-found]  # on Lambda all files lie beside each other


def handle(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Set the group's capacity to zero if the alarm is on now, and prefer spot machines again."""
    del event  # what the alarm was when it called may be over
    group, alarm = os.environ["GROUP"], os.environ["QUEUE_EMPTY_ALARM"]
    found = boto3.client("cloudwatch").describe_alarms(AlarmNames=[alarm])["MetricAlarms"]
    if not found or found[0]["StateValue"] != "ALARM":
        return _done(group, "left: the queue is not known to be empty")
    scaling = boto3.client("autoscaling")
    before = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"]
    if not before:
        return _done(group, "left: there is no such group")
    set_share(scaling, before[0], 0)
    if before[0]["DesiredCapacity"] == 0:
        return _done(group, "left: it is at zero")
    scaling.set_desired_capacity(AutoScalingGroupName=group, DesiredCapacity=0, HonorCooldown=False)
    return _done(group, "set to zero")


def _done(group: str, words: str) -> dict[str, Any]:
    print(f"{group}: {words}")  # Lambda's log
    return {"group": group, "done": words}
