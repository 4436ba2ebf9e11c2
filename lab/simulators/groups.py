"""Auto Scaling groups: their members' lives, from Pending to Terminated.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid4, uuid5

from lab.clock import Clock
from lab.errors import ApiError
from lab.machines import Machines
from lab.rules.scaling import Member, adjusted, leaving, on_demand_wanted, step_for, tracked
from lab.simulators.capacity import LACKING
from lab.simulators.events import Events
from lab.simulators.machines import Compute

BOOT: Final = timedelta(seconds=10)
"""How long a machine of the lab is Pending."""
RETRY: Final = timedelta(minutes=1)
"""When a group tries again after a failed launch: AWS says that it does, and not how soon."""
ARN: Final = "arn:aws:autoscaling:eu-central-1:123456789012"
_DEFAULT_COOLDOWN: Final = 300
_HOOK_SECONDS: Final = 3600


@dataclass
class Group:
    """A group as it was asked for, and its members."""

    asked: dict[str, Any]
    desired: int
    created_at: datetime
    members: list[Member] = field(default_factory=list)
    hooks: dict[str, dict[str, Any]] = field(default_factory=dict)
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    activities: list[dict[str, Any]] = field(default_factory=list)
    quiet_until: datetime | None = None
    tries_at: datetime | None = None

    @property
    def name(self) -> str:
        """The group's name."""
        return str(self.asked["AutoScalingGroupName"])

    @property
    def arn(self) -> str:
        """Its ARN, whose id is made of its name."""
        return f"{ARN}:autoScalingGroup:{uuid5(NAMESPACE_URL, self.name)}:autoScalingGroupName/{self.name}"

    @property
    def zone(self) -> str:
        """Its first zone, in which all of its machines are."""
        return str(self.asked.get("AvailabilityZones", ["eu-central-1a"])[0])

    @property
    def template(self) -> dict[str, Any]:
        """The specification of its launch template."""
        mixed = self.asked.get("MixedInstancesPolicy")
        found = mixed["LaunchTemplate"]["LaunchTemplateSpecification"] if mixed else self.asked["LaunchTemplate"]
        return dict(found)

    def choices(self) -> list[dict[str, Any]]:
        """Return what is tried in turn at a launch: the types of a mixed instances policy, as spot machines or not.

        Prices and pools are not known here, so every allocation strategy takes the first type that can be had.
        https://docs.aws.amazon.com/autoscaling/ec2/userguide/allocation-strategies.html
        """
        mixed = self.asked.get("MixedInstancesPolicy")
        if mixed is None:
            return [{}]
        market = {"InstanceMarketOptions": {"MarketType": "spot"}} if self._wants_spot(mixed) else {}
        types = [one["InstanceType"] for one in mixed["LaunchTemplate"].get("Overrides", []) if "InstanceType" in one]
        return [{"InstanceType": one, **market} for one in types] or [market]

    def _wants_spot(self, mixed: dict[str, Any]) -> bool:
        """Tell whether the next machine is a spot one; those that run stay what they are when the share changes."""
        shares, staying = mixed.get("InstancesDistribution", {}), self.staying()
        base = shares.get("OnDemandBaseCapacity", 0)
        percent = shares.get("OnDemandPercentageAboveBaseCapacity", 100)
        have = sum(not one.is_spot for one in staying)
        return have >= on_demand_wanted(len(staying) + 1, base, percent)

    def staying(self) -> list[Member]:
        """Return the members that count."""
        return [one for one in self.members if not one.is_leaving]


class Fleet:
    """Brings groups to the number of machines that they ought to have, a step after the other."""

    def __init__(self, compute: Compute, machines: Machines, clock: Clock, events: Events) -> None:
        self._compute, self._machines, self._clock, self._events = compute, machines, clock, events
        self.groups: dict[str, Group] = {}

    def step(self, now: datetime) -> None:
        """Let members come, go and be replaced."""
        for group in list(self.groups.values()):
            for member in list(group.members):
                self._step_member(group, member, now)
            staying = group.staying()
            if len(staying) > group.desired:
                newest = self.newest(group)["VersionNumber"] if group.template["Version"] == "$Latest" else ""
                for member in leaving(staying, len(staying) - group.desired, str(newest)):
                    self.release(group, member, "The group has more machines than are desired.")
            while len(group.staying()) < group.desired and (group.tries_at is None or now >= group.tries_at):
                self._launch(group, now)

    def release(self, group: Group, member: Member, cause: str) -> None:
        """Begin a member's end: it waits for the termination hook, if there is one.

        https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks-overview.html
        """
        now = self._clock.now()
        group.activities.append({"Description": f"Terminating {member.instance_id}", "Cause": cause, "StartTime": now})
        member.since = now
        self._compute.target_states[member.instance_id] = "Terminated"
        if group.hooks and member.instance_id in self._machines.running:
            timeout = timedelta(seconds=min(one.get("HeartbeatTimeout", _HOOK_SECONDS) for one in group.hooks.values()))
            member.state = "Terminating:Wait"
            member.hook_ends_at = now + timeout
            member.hook_last_at = now + min(100 * timeout, timedelta(hours=48))
        else:
            member.state = "Terminating:Proceed"

    def newest(self, group: Group) -> dict[str, Any]:
        """Return the version of the launch template that the next machine is made of."""
        return self._compute.template(group.template)

    def act(self, arn: str, alarm: dict[str, Any], value: float | None) -> bool:
        """Follow a scaling policy; return whether the ARN names one."""
        for group in self.groups.values():
            for policy in group.policies.values():
                if policy["PolicyARN"] == arn and policy["PolicyType"] == "TargetTrackingScaling":
                    self._track(group, policy, value)
                    return True
                if policy["PolicyARN"] == arn:
                    self.follow(
                        group, policy, (value if value is not None else alarm["Threshold"]) - alarm["Threshold"]
                    )
                    return True
        return False

    def follow(self, group: Group, policy: dict[str, Any], breach: float) -> None:
        """Change the desired capacity as a policy says.

        A simple policy waits for its cooldown. A step policy counts machines that warm up as there already, and does
        not shrink while some do. https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-simple-step.html
        """
        now = self._clock.now()
        kind, magnitude = policy["AdjustmentType"], policy.get("MinAdjustmentMagnitude", 0)
        if policy["PolicyType"] == "SimpleScaling":
            if group.quiet_until is not None and now < group.quiet_until:
                return
            cooldown = policy.get("Cooldown", group.asked.get("DefaultCooldown", _DEFAULT_COOLDOWN))
            group.quiet_until = now + timedelta(seconds=cooldown)
            wanted = adjusted(kind, policy["ScalingAdjustment"], group.desired, magnitude)
        else:
            adjustment = step_for(policy["StepAdjustments"], breach)
            if adjustment is None:
                return
            warmup = timedelta(seconds=policy.get("EstimatedInstanceWarmup", _DEFAULT_COOLDOWN))
            warming = [one for one in group.staying() if one.state == "Pending" or one.since + warmup > now]
            wanted = adjusted(kind, adjustment, group.desired - len(warming), magnitude)
            if warming:
                wanted = max(group.desired, wanted)
        group.desired = max(group.asked["MinSize"], min(group.asked["MaxSize"], wanted))

    def _track(self, group: Group, policy: dict[str, Any], value: float | None) -> None:
        """Bring the metric to its target; nothing shrinks while machines warm up, or without data."""
        settings = policy["TargetTrackingConfiguration"]
        warmup = timedelta(seconds=policy.get("EstimatedInstanceWarmup", _DEFAULT_COOLDOWN))
        now = self._clock.now()
        warming = [one for one in group.staying() if one.state == "Pending" or one.since + warmup > now]
        if value is None:
            return
        may_shrink = not settings.get("DisableScaleIn", False) and not warming
        wanted = tracked(value, settings["TargetValue"], group.desired - len(warming), may_shrink=may_shrink)
        wanted = wanted if may_shrink else max(group.desired, wanted)
        group.desired = max(group.asked["MinSize"], min(group.asked["MaxSize"], wanted))

    def _step_member(self, group: Group, member: Member, now: datetime) -> None:
        is_alive = member.instance_id in self._machines.running
        if member.state == "Pending" and now >= member.since + BOOT:
            member.state, member.since = "InService", now
        if not member.is_leaving and (member.health != "Healthy" or not is_alive):
            # https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-health-checks.html
            member.health = "Unhealthy"
            self.release(group, member, "A health check failed.")
        if member.state == "Terminating:Wait" and (member.hook_ends_at is None or now >= member.hook_ends_at):
            member.state = "Terminating:Proceed"
        if member.state == "Terminating:Proceed":
            self._compute.terminate({"InstanceIds": [member.instance_id]})
            member.state = "Terminated"
            group.members.remove(member)

    def _launch(self, group: Group, now: datetime) -> None:
        """Launch a machine of the first type that can be had; without any, the group tries again later."""
        version = self.newest(group)
        request = {"LaunchTemplate": group.template, "MinCount": 1, "MaxCount": 1}
        request["TagSpecifications"] = [{"ResourceType": "instance", "Tags": _tags(group, version)}]
        refused = None
        for choice in group.choices():
            try:
                instance = self._compute.run({**request, **choice})["Instances"][0]
            except ApiError as error:
                if error.code != LACKING:
                    raise
                refused = error
                continue
            self._join(group, instance, version, now)
            return
        if refused is not None:
            self._fail(group, refused, now)

    def _join(self, group: Group, instance: dict[str, Any], version: dict[str, Any], now: datetime) -> None:
        instance_id = instance["InstanceId"]
        self._compute.target_states[instance_id] = "InService"
        group.tries_at = None
        group.members.append(
            Member(
                instance_id,
                launched_at=now,
                since=now,
                version=str(version["VersionNumber"]),
                image_id=instance["ImageId"],
                instance_type=instance["InstanceType"],
                is_protected=group.asked.get("NewInstancesProtectedFromScaleIn", False),
                is_spot=instance.get("InstanceLifecycle") == "spot",
            )
        )
        group.activities.append({"Description": f"Launching {instance_id}", "Cause": "Desired", "StartTime": now})

    def _fail(self, group: Group, refused: ApiError, now: datetime) -> None:
        """Note a launch that failed and tell of it; the group tries again, as long as it lacks a machine.

        https://docs.aws.amazon.com/autoscaling/ec2/userguide/CHAP_Troubleshooting.html tells where a failure is found,
        https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-event-reference.html what the event has.
        """
        group.tries_at = now + RETRY
        words = f"{refused.message} Launching EC2 instance failed."
        if "MixedInstancesPolicy" in group.asked:
            market = "Spot" if "InstanceMarketOptions" in group.choices()[0] else "On-Demand"
            words = f"Could not launch {market} Instances. {refused.code} - {words}"
        at = f"{now:%Y-%m-%dT%H:%M:%SZ}"
        change = f"increasing the capacity from {len(group.staying())} to {group.desired}"
        activity = {
            "Description": "Launching a new EC2 instance",
            "Cause": f"At {at} an instance was started: desired and actual capacity differ, {change}.",
            "StartTime": now,
            "EndTime": now,
            "StatusCode": "Failed",
            "StatusMessage": words,
        }
        group.activities.append(activity)
        detail = {
            **activity,
            "StartTime": at,
            "EndTime": at,
            "AutoScalingGroupName": group.name,
            "ActivityId": str(len(group.activities) - 1),
            "RequestId": str(uuid4()),
            "Details": {"Availability Zone": group.zone},
        }
        self._events.tell("aws.autoscaling", "EC2 Instance Launch Unsuccessful", [group.arn], detail, now)


def _tags(group: Group, version: dict[str, Any]) -> list[dict[str, str]]:
    """Return the tags of a new machine: the group's, and of its template those that the group does not set."""
    tags = [{"Key": one["Key"], "Value": one["Value"]} for one in group.asked.get("Tags", [])]
    tags.append({"Key": "aws:autoscaling:groupName", "Value": group.name})
    data = version["LaunchTemplateData"].get("TagSpecifications", [])
    own = [tag for one in data if one["ResourceType"] == "instance" for tag in one["Tags"]]
    names = {tag["Key"] for tag in tags}
    return tags + [tag for tag in own if tag["Key"] not in names]
