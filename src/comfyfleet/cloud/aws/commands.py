"""Shell scripts on machines by Systems Manager's Run Command."""

from typing import Any, Final

from botocore.exceptions import ClientError

from comfyfleet.cloud.aws.clients import make_client
from comfyfleet.cloud.aws.errors import code_of, service_errors
from comfyfleet.cloud.errors import MachineUnreachable
from comfyfleet.cloud.fleet_ports import CommandRun, CommandStatus

_DOCUMENT: Final = "AWS-RunShellScript"
_DELIVERY_SECONDS: Final = 120
_COMMENT_LENGTH: Final = 100
_NOT_YET: Final = CommandRun(CommandStatus.PENDING, None, "", "")
_STATUSES: Final = {
    "Pending": CommandStatus.PENDING,
    "Delayed": CommandStatus.PENDING,
    "InProgress": CommandStatus.RUNNING,
    "Cancelling": CommandStatus.RUNNING,
    "Success": CommandStatus.SUCCEEDED,
    "Failed": CommandStatus.FAILED,
    "TimedOut": CommandStatus.TIMED_OUT,
    "Cancelled": CommandStatus.CANCELED,
}
"""https://docs.aws.amazon.com/systems-manager/latest/userguide/monitor-commands.html"""

_ENDED_BY_ITSELF: Final = frozenset({CommandStatus.SUCCEEDED, CommandStatus.FAILED})
"""Only such a script has an exit code of its own; of others the agent says 137 or -1."""


class SsmCommands:
    """Run Command; see `Commands`. Whole outputs go to `logs_bucket`."""

    def __init__(self, logs_bucket: str, client: Any = None) -> None:
        self._logs_bucket = logs_bucket
        self._ssm = client or make_client("ssm")

    def is_reachable(self, instance_id: str) -> bool:
        """Tell whether a machine's agent is online."""
        wanted = [{"Key": "InstanceIds", "Values": [instance_id]}]
        with service_errors(f"Asking for the agent of {instance_id}"):
            found = self._ssm.describe_instance_information(Filters=wanted)["InstanceInformationList"]
        return any(one["PingStatus"] == "Online" for one in found)

    def run(self, instance_id: str, script: str, *, comment: str, timeout_seconds: int, log_prefix: str) -> str:
        """Start a script."""
        with service_errors(f"Sending a command to {instance_id}"):
            try:
                answer = self._ssm.send_command(
                    InstanceIds=[instance_id],
                    DocumentName=_DOCUMENT,
                    Comment=comment[:_COMMENT_LENGTH],
                    TimeoutSeconds=_DELIVERY_SECONDS,
                    Parameters={"commands": script.splitlines(), "executionTimeout": [str(timeout_seconds)]},
                    OutputS3BucketName=self._logs_bucket,
                    OutputS3KeyPrefix=log_prefix,
                )
            except ClientError as error:
                if code_of(error) == "InvalidInstanceId":
                    raise MachineUnreachable(
                        f"{instance_id} takes no commands.",
                        hint="Check that it runs, that its agent is online, and that its role has the agent's policy.",
                    ) from error
                raise
        return str(answer["Command"]["CommandId"])

    def look(self, command_id: str, instance_id: str) -> CommandRun:
        """Return how far a command is."""
        with service_errors(f"Asking for the command {command_id}"):
            try:
                found = self._ssm.get_command_invocation(CommandId=command_id, InstanceId=instance_id)
            except ClientError as error:
                if code_of(error) == "InvocationDoesNotExist":  # it takes a moment
                    return _NOT_YET
                raise
        status = _STATUSES[found["Status"]]
        return CommandRun(
            status=status,
            exit_code=found["ResponseCode"] if status in _ENDED_BY_ITSELF and found["ResponseCode"] >= 0 else None,
            output=found["StandardOutputContent"],
            error_output=found["StandardErrorContent"],
        )

    def cancel(self, command_id: str, instance_id: str) -> None:
        """Ask a command to end."""
        with service_errors(f"Ending the command {command_id}"):
            self._ssm.cancel_command(CommandId=command_id, InstanceIds=[instance_id])
