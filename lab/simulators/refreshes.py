"""Instance refreshes: a group's machines are replaced batch by batch.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-refresh-overview.html
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from lab.clock import Clock
from lab.errors import ApiError, NotSimulated
from lab.rules.scaling import batch_size, checkpoint_passed
from lab.server import Action
from lab.simulators.groups import Fleet, Group

_PATIENCE: Final = timedelta(hours=1)
"""How long it waits for protected machines, or for new ones: the preference `Wait` of RefreshPreferences.

https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_RefreshPreferences.html
"""
_KNOWN: Final = frozenset(
    {"MinHealthyPercentage", "InstanceWarmup", "CheckpointPercentages", "CheckpointDelay", "SkipMatching"}
    | {"AutoRollback", "ScaleInProtectedInstances"}
)


@dataclass
class _Refresh:
    """A refresh as it goes: `old` are the machines that it is to replace."""

    refresh_id: str
    group: str
    preferences: dict[str, Any]
    old: frozenset[str]
    started_at: datetime
    moved_at: datetime
    status: str = "Pending"
    reason: str = ""
    left: int = 0
    percent: int = 0
    waits_until: datetime | None = None
    ended_at: datetime | None = None

    def end(self, status: str, reason: str, now: datetime) -> None:
        """Come to an end."""
        self.status, self.reason, self.ended_at = status, reason, now


class Refreshes:
    """StartInstanceRefresh and what follows from it."""

    def __init__(self, fleet: Fleet, clock: Clock) -> None:
        self._fleet, self._clock = fleet, clock
        self._all: list[_Refresh] = []

    def actions(self) -> dict[str, Action]:
        """Return what we answer."""
        return {
            "autoscaling:StartInstanceRefresh": self.start,
            "autoscaling:DescribeInstanceRefreshes": self.describe,
            "autoscaling:CancelInstanceRefresh": self.cancel,
        }

    def start(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Begin a refresh of all machines, or, to skip matching ones, of those of other template versions.

        Only template and types are compared, not what a parameter in the template resolves to:
        https://docs.aws.amazon.com/autoscaling/ec2/userguide/asg-instance-refresh-skip-matching.html
        """
        preferences = asked.get("Preferences", {})
        unknown = sorted(set(preferences) - _KNOWN)
        if unknown or "DesiredConfiguration" in asked or preferences.get("AutoRollback"):
            raise NotSimulated(f"instance refreshes with {', '.join(unknown) or 'a desired configuration or rollback'}")
        group = self._group(asked["AutoScalingGroupName"])
        if self._running(group.name) is not None:
            raise ApiError("InstanceRefreshInProgress", f"An instance refresh of {group.name} is in progress.")
        newest = str(self._fleet.newest(group)["VersionNumber"])
        skips = preferences.get("SkipMatching", False)
        old = frozenset(one.instance_id for one in group.staying() if not skips or one.version != newest)
        now = self._clock.now()
        refresh = _Refresh(str(uuid4()), group.name, preferences, old, now, now, left=len(old))
        self._all.append(refresh)
        return {"InstanceRefreshId": refresh.refresh_id}

    def describe(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return refreshes, newest first."""
        ids, count = asked.get("InstanceRefreshIds"), asked.get("MaxRecords", 50)
        found = [
            one
            for one in reversed(self._all)
            if one.group == asked["AutoScalingGroupName"] and (not ids or one.refresh_id in ids)
        ]
        return {"InstanceRefreshes": [_answer(one) for one in found[:count]]}

    def cancel(self, asked: dict[str, Any]) -> dict[str, Any]:
        """End a refresh when what it has begun is done."""
        refresh = self._running(asked["AutoScalingGroupName"])
        if refresh is None:
            raise ApiError("ActiveInstanceRefreshNotFound", "No instance refresh is in progress.")
        refresh.status = "Cancelling"
        return {"InstanceRefreshId": refresh.refresh_id}

    def step(self, now: datetime) -> None:
        """Bring each refresh forward."""
        for refresh in self._all:
            if refresh.ended_at is None:
                self._advance(refresh, self._group(refresh.group), now)

    def _advance(self, refresh: _Refresh, group: Group, now: datetime) -> None:
        staying = group.staying()
        warmup = timedelta(seconds=refresh.preferences.get("InstanceWarmup", 300))
        is_ready = len(group.members) == group.desired and all(
            one.state == "InService" and (one.instance_id in refresh.old or now >= one.since + warmup)
            for one in staying
        )
        if refresh.status == "Cancelling":
            if not any(one.is_leaving for one in group.members):
                refresh.end("Cancelled", "Cancelled by a user.", now)
            return
        refresh.status = "InProgress"
        if not is_ready:
            if now >= refresh.moved_at + _PATIENCE:
                refresh.end("Failed", "The group's machines did not come into service within an hour.", now)
            return
        left = [one for one in staying if one.instance_id in refresh.old]
        if len(left) < refresh.left:
            refresh.left, refresh.moved_at = len(left), now
        percent = 100 * (len(refresh.old) - len(left)) // len(refresh.old) if refresh.old else 100
        if checkpoint_passed(refresh.percent, percent, refresh.preferences.get("CheckpointPercentages", [])):
            delay = timedelta(seconds=refresh.preferences.get("CheckpointDelay", 3600))
            refresh.waits_until = refresh.moved_at = now + delay
        refresh.percent = percent
        if not left:
            refresh.end("Successful", "", now)
        elif refresh.waits_until is None or now >= refresh.waits_until:
            self._replace(refresh, group, now)

    def _replace(self, refresh: _Refresh, group: Group, now: datetime) -> None:
        choice = refresh.preferences.get("ScaleInProtectedInstances", "Wait")
        left = [one for one in group.staying() if one.instance_id in refresh.old]
        free = [one for one in left if not one.is_protected or choice == "Refresh"]
        for member in free[: batch_size(group.desired, refresh.preferences.get("MinHealthyPercentage", 90))]:
            self._fleet.release(group, member, f"The instance refresh {refresh.refresh_id}.")
        refresh.reason = "" if free else "Waiting for machines that are protected from scale-in."
        if not free and choice == "Ignore":
            refresh.end("Successful", "Protected machines were left.", now)
        elif not free and now >= refresh.moved_at + _PATIENCE:
            refresh.end("Failed", "Machines stayed protected from scale-in for an hour.", now)

    def _running(self, group: str) -> _Refresh | None:
        return next((one for one in self._all if one.group == group and one.ended_at is None), None)

    def _group(self, name: str) -> Group:
        group = self._fleet.groups.get(name)
        if group is None:
            raise ApiError("ValidationError", f"AutoScalingGroup name not found - {name}")
        return group


def _answer(refresh: _Refresh) -> dict[str, Any]:
    return {
        "InstanceRefreshId": refresh.refresh_id,
        "AutoScalingGroupName": refresh.group,
        "Status": refresh.status,
        "StatusReason": refresh.reason,
        "StartTime": refresh.started_at,
        "PercentageComplete": refresh.percent,
        "InstancesToUpdate": refresh.left,
        "Preferences": refresh.preferences,
        **({} if refresh.ended_at is None else {"EndTime": refresh.ended_at}),
    }
