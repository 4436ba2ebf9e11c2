"""The Auto Scaling API over the groups."""

from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from lab.clock import Clock
from lab.errors import ApiError, NotSimulated
from lab.rules.scaling import Member
from lab.server import Action
from lab.simulators.groups import ARN, Fleet, Group

_INVALID: Final = "ValidationError"


class AutoScaling:
    """Answers by the groups of a `Fleet`, which do the work at the next step of the clock."""

    def __init__(self, fleet: Fleet, clock: Clock, put_alarm: Action) -> None:
        self._fleet, self._clock, self._put_alarm = fleet, clock, put_alarm

    def actions(self) -> dict[str, Action]:
        """Return what we answer."""
        found = {
            "CreateAutoScalingGroup": self.create,
            "UpdateAutoScalingGroup": self.update,
            "DeleteAutoScalingGroup": self.delete,
            "DescribeAutoScalingGroups": self.describe,
            "DescribeAutoScalingInstances": self.describe_instances,
            "DescribeScalingActivities": self.activities,
            "SetDesiredCapacity": self.set_capacity,
            "SetInstanceProtection": self.protect,
            "SetInstanceHealth": self.set_health,
            "TerminateInstanceInAutoScalingGroup": self.terminate,
            "PutLifecycleHook": self.put_hook,
            "DescribeLifecycleHooks": self.hooks,
            "CompleteLifecycleAction": self.complete,
            "RecordLifecycleActionHeartbeat": self.heartbeat,
            "PutScalingPolicy": self.put_policy,
            "DescribePolicies": self.policies,
            "ExecutePolicy": self.execute,
        }
        return {f"autoscaling:{name}": action for name, action in found.items()}

    def create(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Make a group; its machines come with the next steps."""
        name = asked["AutoScalingGroupName"]
        if name in self._fleet.groups:
            raise ApiError("AlreadyExists", f"There is a group {name} already.")
        if "LaunchTemplate" not in asked and "MixedInstancesPolicy" not in asked:
            raise NotSimulated("groups without a launch template")
        if "LifecycleHookSpecificationList" in asked:
            raise NotSimulated("hooks within CreateAutoScalingGroup; PutLifecycleHook is simulated")
        group = Group(asked, asked.get("DesiredCapacity", asked["MinSize"]), self._clock.now())
        self._check(group, group.desired)
        self._fleet.newest(group)
        self._fleet.groups[name] = group
        return {}

    def update(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Change a group; limits move its capacity."""
        group = self._group(asked)
        group.asked = {**group.asked, **asked}
        limits = group.asked["MinSize"], group.asked["MaxSize"]
        group.desired = max(limits[0], min(limits[1], asked.get("DesiredCapacity", group.desired)))
        return {}

    def delete(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Forget an empty group."""
        group = self._group(asked)
        if group.members:
            raise ApiError("ResourceInUse", f"{group.name} has machines: set its capacity to 0 first.")
        del self._fleet.groups[group.name]
        return {}

    def describe(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return groups by name."""
        names = asked.get("AutoScalingGroupNames")
        if "Filters" in asked:
            raise NotSimulated("DescribeAutoScalingGroups with filters")
        found = [group for name, group in sorted(self._fleet.groups.items()) if not names or name in names]
        return {"AutoScalingGroups": [_group_answer(group) for group in found]}

    def describe_instances(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return members of all groups."""
        wanted = asked.get("InstanceIds")
        found = [
            {**_member_answer(group, one), "AutoScalingGroupName": group.name}
            for group in self._fleet.groups.values()
            for one in group.members
            if wanted is None or one.instance_id in wanted
        ]
        return {"AutoScalingInstances": found}

    def activities(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return what a group did, newest first."""
        group = self._group(asked)
        return {
            "Activities": [
                {
                    "StatusCode": "Successful",
                    **one,
                    "ActivityId": str(index),
                    "AutoScalingGroupName": group.name,
                }
                for index, one in reversed(list(enumerate(group.activities)))
            ]
        }

    def set_capacity(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Ask for a number of machines."""
        group = self._group(asked)
        self._check(group, asked["DesiredCapacity"])
        if asked.get("HonorCooldown") and group.quiet_until is not None and self._clock.now() < group.quiet_until:
            raise ApiError("ScalingActivityInProgress", f"{group.name} is in its cooldown.")
        group.desired = asked["DesiredCapacity"]
        return {}

    def protect(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Keep members from being chosen when the group shrinks."""
        for instance_id in asked["InstanceIds"]:
            group, member = self._member(instance_id)
            if group.name != asked["AutoScalingGroupName"]:
                raise ApiError(_INVALID, f"{instance_id} is not in {asked['AutoScalingGroupName']}.")
            member.is_protected = asked["ProtectedFromScaleIn"]
        return {}

    def set_health(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Say how a member is."""
        self._member(asked["InstanceId"])[1].health = asked["HealthStatus"]
        return {}

    def terminate(self, asked: dict[str, Any]) -> dict[str, Any]:
        """End a member, and shrink the group by it if asked to."""
        group, member = self._member(asked["InstanceId"])
        if asked["ShouldDecrementDesiredCapacity"]:
            self._check(group, group.desired - 1)
            group.desired -= 1
        self._fleet.release(group, member, "A user asked for it.")
        return {"Activity": {}}

    def put_hook(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Make or change a termination hook."""
        if asked.get("LifecycleTransition") != "autoscaling:EC2_INSTANCE_TERMINATING":
            raise NotSimulated("launch hooks")
        group = self._group(asked)
        if set(group.hooks) - {asked["LifecycleHookName"]}:
            raise NotSimulated("several hooks of a group")
        group.hooks[asked["LifecycleHookName"]] = asked
        return {}

    def hooks(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return a group's hooks."""
        return {"LifecycleHooks": list(self._group(asked).hooks.values())}

    def complete(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Let a member go on; at termination, both results end it."""
        self._waiting(asked).state = "Terminating:Proceed"
        return {}

    def heartbeat(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Begin a hook's time anew, up to a hundred times its length or 48 hours."""
        member = self._waiting(asked)
        hook = self._group(asked).hooks[asked["LifecycleHookName"]]
        from_now = self._clock.now() + timedelta(seconds=hook.get("HeartbeatTimeout", 3600))
        member.hook_ends_at = min(from_now, member.hook_last_at or from_now)
        return {}

    def put_policy(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Make or change a simple, step or target tracking policy; the last has two alarms of its own."""
        kind = asked.get("PolicyType", "SimpleScaling")
        if kind not in {"SimpleScaling", "StepScaling", "TargetTrackingScaling"}:
            raise NotSimulated(f"policies of type {kind}")
        group = self._group(asked)
        arn = f"{ARN}:scalingPolicy:{uuid4()}:autoScalingGroupName/{group.name}:policyName/{asked['PolicyName']}"
        arn = group.policies.get(asked["PolicyName"], {}).get("PolicyARN", arn)
        group.policies[asked["PolicyName"]] = {**asked, "PolicyType": kind, "PolicyARN": arn}
        names = self._alarms_of(group.policies[asked["PolicyName"]]) if kind == "TargetTrackingScaling" else []
        return {"PolicyARN": arn, "Alarms": [{"AlarmName": name} for name in names]}

    def policies(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return policies."""
        groups = [self._group(asked)] if "AutoScalingGroupName" in asked else self._fleet.groups.values()
        return {"ScalingPolicies": [policy for group in groups for policy in group.policies.values()]}

    def execute(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Follow a policy now."""
        group = self._group(asked)
        policy = group.policies.get(asked["PolicyName"])
        if policy is None:
            raise ApiError(_INVALID, f"There is no policy {asked['PolicyName']}.")
        self._fleet.follow(group, policy, asked.get("MetricValue", 0) - asked.get("BreachThreshold", 0))
        return {}

    def _alarms_of(self, policy: dict[str, Any]) -> list[str]:
        """Make the alarms of a target tracking policy: three minutes above the target, fifteen below nine tenths of it.

        These numbers are what AWS's alarms have been seen to have; its documentation leaves them open.
        """
        settings = policy["TargetTrackingConfiguration"]
        metric = settings.get("CustomizedMetricSpecification")
        if metric is None:
            raise NotSimulated("target tracking of predefined metrics")
        start = f"TargetTracking-{policy['AutoScalingGroupName']}-{policy['PolicyName']}"
        own = {name: metric[name] for name in ("Namespace", "MetricName", "Dimensions", "Statistic") if name in metric}
        own |= {"Metrics": _by_minutes(metric["Metrics"])} if "Metrics" in metric else {"Period": 60}
        for side, compare, part, periods in (("High", "Greater", 1.0, 3), ("Low", "Less", 0.9, 15)):
            self._put_alarm(
                {
                    **own,
                    "AlarmName": f"{start}-Alarm{side}",
                    "ComparisonOperator": f"{compare}ThanThreshold",
                    "Threshold": settings["TargetValue"] * part,
                    "EvaluationPeriods": periods,
                    "AlarmActions": [policy["PolicyARN"]],
                }
            )
        return [f"{start}-AlarmHigh", f"{start}-AlarmLow"]

    def _group(self, asked: dict[str, Any]) -> Group:
        group = self._fleet.groups.get(asked["AutoScalingGroupName"])
        if group is None:
            raise ApiError(_INVALID, f"AutoScalingGroup name not found - {asked['AutoScalingGroupName']}")
        return group

    def _member(self, instance_id: str) -> tuple[Group, Member]:
        for group in self._fleet.groups.values():
            for member in group.members:
                if member.instance_id == instance_id:
                    return group, member
        raise ApiError(_INVALID, f"Instance Id not found - {instance_id}")

    def _waiting(self, asked: dict[str, Any]) -> Member:
        group = self._group(asked)
        for member in group.members:
            is_meant = member.instance_id == asked.get("InstanceId") and asked["LifecycleHookName"] in group.hooks
            if is_meant and member.state == "Terminating:Wait":
                return member
        raise ApiError(_INVALID, f"No active Lifecycle Action found with instance ID {asked.get('InstanceId')}")

    @staticmethod
    def _check(group: Group, desired: int) -> None:
        if not group.asked["MinSize"] <= desired <= group.asked["MaxSize"]:
            raise ApiError(_INVALID, f"New SetDesiredCapacity value {desired} is outside the limits of {group.name}.")


def _group_answer(group: Group) -> dict[str, Any]:
    kept = ("AutoScalingGroupName", "MinSize", "MaxSize", "LaunchTemplate", "MixedInstancesPolicy", "VPCZoneIdentifier")
    return {
        **{name: group.asked[name] for name in kept if name in group.asked},
        "DesiredCapacity": group.desired,
        "DefaultCooldown": group.asked.get("DefaultCooldown", 300),
        "AvailabilityZones": group.asked.get("AvailabilityZones", ["eu-central-1a"]),
        "HealthCheckType": group.asked.get("HealthCheckType", "EC2"),
        "CreatedTime": group.created_at,
        "Tags": [{**one, "ResourceId": group.name} for one in group.asked.get("Tags", [])],
        "Instances": [_member_answer(group, one) for one in group.members],
    }


def _member_answer(group: Group, member: Member) -> dict[str, Any]:
    return {
        "InstanceId": member.instance_id,
        "InstanceType": member.instance_type,
        "ImageId": member.image_id,
        "AvailabilityZone": group.zone,
        "LifecycleState": member.state,
        "HealthStatus": member.health,
        "ProtectedFromScaleIn": member.is_protected,
        "LaunchTemplate": {**group.template, "Version": member.version},
    }


def _by_minutes(queries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what a target tracking policy watches as an alarm watches it: metrics have periods there."""
    return [
        {**one, "MetricStat": {"Period": 60, **one["MetricStat"]}} if "MetricStat" in one else one for one in queries
    ]
