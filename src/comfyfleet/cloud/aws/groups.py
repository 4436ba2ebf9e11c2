"""Auto Scaling groups."""

from typing import Any, Final

from botocore.exceptions import ClientError

from comfyfleet.cloud.aws.clients import make_client
from comfyfleet.cloud.aws.errors import code_of, service_errors
from comfyfleet.cloud.errors import CapacityInvalid, GroupNotFound
from comfyfleet.cloud.fleet_ports import Group, Member

_INVALID: Final = "ValidationError"
_NO_ACTION: Final = "No active Lifecycle Action"


class AutoScalingGroups:
    """The Auto Scaling groups of an account; see `Groups`."""

    def __init__(self, client: Any = None) -> None:
        self._scaling = client or make_client("autoscaling")

    def find(self, name: str) -> Group | None:
        """Return a group, or None."""
        with service_errors(f"Looking at the group '{name}'"):
            found = self._scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"]
        return _group(found[0]) if found else None

    def group_of(self, instance_id: str) -> str | None:
        """Return the group that a machine is in, or None."""
        with service_errors(f"Asking for the group of {instance_id}"):
            found = self._scaling.describe_auto_scaling_instances(InstanceIds=[instance_id])["AutoScalingInstances"]
        return str(found[0]["AutoScalingGroupName"]) if found else None

    def set_capacity(self, name: str, desired: int) -> None:
        """Ask for a number of machines."""
        group = self.find(name)
        if group is None:
            raise GroupNotFound(f"There is no group '{name}'.", hint="Deploy the fleet's stack first.")
        if not group.minimum <= desired <= group.maximum:
            raise CapacityInvalid(
                f"'{name}' cannot have {desired} machines.", hint=f"Ask for {group.minimum} to {group.maximum}."
            )
        with service_errors(f"Setting the capacity of '{name}'"):
            self._scaling.set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=desired, HonorCooldown=False)

    def protect(self, name: str, instance_id: str, *, is_protected: bool) -> None:
        """Keep a machine from being chosen when the group shrinks, or let it be."""
        with service_errors(f"Protecting {instance_id}"):
            self._scaling.set_instance_protection(
                AutoScalingGroupName=name, InstanceIds=[instance_id], ProtectedFromScaleIn=is_protected
            )

    def finish_hook(self, name: str, hook: str, instance_id: str) -> None:
        """Let a machine that waits in a lifecycle hook go on."""
        with service_errors(f"Letting {instance_id} go on"):
            self._answer_hook(
                self._scaling.complete_lifecycle_action, name, hook, instance_id, LifecycleActionResult="CONTINUE"
            )

    def extend_hook(self, name: str, hook: str, instance_id: str) -> None:
        """Begin a hook's time anew."""
        with service_errors(f"Keeping {instance_id} for longer"):
            self._answer_hook(self._scaling.record_lifecycle_action_heartbeat, name, hook, instance_id)

    def _answer_hook(self, call: Any, name: str, hook: str, instance_id: str, **more: str) -> None:
        try:
            call(AutoScalingGroupName=name, LifecycleHookName=hook, InstanceId=instance_id, **more)
        except ClientError as error:
            if code_of(error) != _INVALID or _NO_ACTION not in str(error):
                raise


def _group(found: dict[str, Any]) -> Group:
    return Group(
        name=found["AutoScalingGroupName"],
        minimum=found["MinSize"],
        maximum=found["MaxSize"],
        desired=found["DesiredCapacity"],
        members=tuple(_member(one) for one in found["Instances"]),
        subnet_ids=tuple(filter(None, found.get("VPCZoneIdentifier", "").split(","))),
    )


def _member(found: dict[str, Any]) -> Member:
    return Member(
        instance_id=found["InstanceId"],
        lifecycle=found["LifecycleState"],
        health=found["HealthStatus"],
        is_protected=found["ProtectedFromScaleIn"],
        image_id=found.get("ImageId"),
        instance_type=found.get("InstanceType"),
    )
