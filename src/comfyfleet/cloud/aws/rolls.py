"""The replacement of a group's machines: instance refreshes of Auto Scaling."""

from typing import Any, Final

from botocore.exceptions import ClientError

from comfyfleet.cloud.aws.clients import make_client
from comfyfleet.cloud.aws.errors import code_of, service_errors
from comfyfleet.cloud.errors import GroupNotFound, RollRunning
from comfyfleet.cloud.fleet_ports import Roll, RollChoices, RollStatus

_STATUSES: Final = {
    "Pending": RollStatus.PENDING,
    "InProgress": RollStatus.RUNNING,
    "Baking": RollStatus.RUNNING,
    "Cancelling": RollStatus.RUNNING,
    "Successful": RollStatus.SUCCEEDED,
    "Failed": RollStatus.FAILED,
    "Cancelled": RollStatus.CANCELED,
    "RollbackInProgress": RollStatus.ROLLING_BACK,
    "RollbackSuccessful": RollStatus.ROLLED_BACK,
    "RollbackFailed": RollStatus.FAILED,
}
"""https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_InstanceRefresh.html"""


class InstanceRefreshes:
    """Instance refreshes; see `Rolls`."""

    def __init__(self, client: Any = None) -> None:
        self._scaling = client or make_client("autoscaling")

    def start(self, group: str, choices: RollChoices) -> str:
        """Begin a roll."""
        with service_errors(f"Rolling '{group}'"):
            try:
                answer = self._scaling.start_instance_refresh(
                    AutoScalingGroupName=group, Strategy="Rolling", Preferences=_preferences(choices)
                )
            except ClientError as error:
                if code_of(error) == "InstanceRefreshInProgress":
                    raise RollRunning(
                        f"The machines of '{group}' are being replaced already.",
                        hint="Wait for that roll, or cancel it.",
                    ) from error
                if code_of(error) == "ValidationError" and "not found" in str(error):
                    raise GroupNotFound(
                        f"There is no group '{group}'.", hint="Deploy the fleet's stack first."
                    ) from error
                raise
        return str(answer["InstanceRefreshId"])

    def look(self, group: str, roll_id: str | None = None) -> Roll | None:
        """Return a roll, by default the last one, or None."""
        which = {} if roll_id is None else {"InstanceRefreshIds": [roll_id]}
        with service_errors(f"Looking at the roll of '{group}'"):
            found = self._scaling.describe_instance_refreshes(AutoScalingGroupName=group, MaxRecords=1, **which)
        refreshes = found["InstanceRefreshes"]
        return _roll(refreshes[0]) if refreshes else None

    def cancel(self, group: str) -> None:
        """End a running roll where it is."""
        with service_errors(f"Cancelling the roll of '{group}'"):
            try:
                self._scaling.cancel_instance_refresh(AutoScalingGroupName=group)
            except ClientError as error:
                if code_of(error) != "ActiveInstanceRefreshNotFound":
                    raise


def _preferences(choices: RollChoices) -> dict[str, Any]:
    preferences: dict[str, Any] = {
        "MinHealthyPercentage": choices.min_healthy_percent,
        "InstanceWarmup": choices.warmup_seconds,
        "SkipMatching": choices.skip_matching,
        # a machine that always has a job would hold the roll up for ever; it ends the one it has in the hook
        "ScaleInProtectedInstances": "Refresh",
    }
    if choices.checkpoints:
        preferences["CheckpointPercentages"] = list(choices.checkpoints)
        preferences["CheckpointDelay"] = choices.checkpoint_seconds
    return preferences


def _roll(found: dict[str, Any]) -> Roll:
    return Roll(
        roll_id=found["InstanceRefreshId"],
        status=_STATUSES[found["Status"]],
        percent=found.get("PercentageComplete", 0),
        to_update=found.get("InstancesToUpdate", 0),
        reason=found.get("StatusReason", ""),
        started_at=found.get("StartTime"),
    )
