"""Run Command: scripts that run for real on a machine's folder, their output in S3 too.

https://docs.aws.amazon.com/systems-manager/latest/userguide/monitor-commands.html
"""

import contextlib
import subprocess
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

import psutil

from lab.clock import Clock
from lab.errors import ApiError, NotSimulated
from lab.guest.disk import check_removals, moved
from lab.machines import Machines
from lab.server import Action

_SHOWN: Final = 24000
_SHOWN_ERRORS: Final = 8000
"""https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetCommandInvocation.html"""
_TIMEOUT_SECONDS: Final = 3600
_CUT_OFF: Final = 137
"""What the agent says of a script that it ended, after a cancellation or because it took too long.

https://github.com/aws/amazon-ssm-agent/blob/mainline/agent/appconfig/constants_unix.go
"""


@dataclass
class _Run:
    """One command on one machine."""

    command_id: str
    instance_id: str
    child: subprocess.Popen[bytes]
    requested_at: datetime
    comment: str
    status: str = "InProgress"
    code: int = -1
    output: str = ""
    errors: str = ""


class RunCommand:
    """Runs `AWS-RunShellScript`. A script's time limit is in real seconds, for it runs in real time."""

    def __init__(self, machines: Machines, s3: Any, clock: Clock) -> None:
        self._machines, self._s3, self._clock = machines, s3, clock
        self._runs: dict[tuple[str, str], _Run] = {}
        self._threads: list[threading.Thread] = []

    def actions(self) -> dict[str, Action]:
        """Return what we answer."""
        return {
            "ssm:SendCommand": self.send,
            "ssm:GetCommandInvocation": self.look,
            "ssm:ListCommandInvocations": self.list,
            "ssm:CancelCommand": self.cancel,
            "ssm:DescribeInstanceInformation": self.reachable,
        }

    def send(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Start a script on each machine."""
        if parameters["DocumentName"] != "AWS-RunShellScript" or "InstanceIds" not in parameters:
            raise NotSimulated("SendCommand by tags, or of documents other than AWS-RunShellScript")
        command_id = str(uuid4())
        missing = set(parameters["InstanceIds"]) - set(self._machines.running)
        if missing:
            raise ApiError("InvalidInstanceId", f"Instances not in a valid state: {', '.join(sorted(missing))}")
        for instance_id in parameters["InstanceIds"]:
            self._start(command_id, instance_id, parameters)
        return {"Command": {"CommandId": command_id, "Status": "Pending", "InstanceIds": parameters["InstanceIds"]}}

    def look(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return how far a script is on a machine."""
        run = self._runs.get((parameters["CommandId"], parameters["InstanceId"]))
        if run is None:
            raise ApiError("InvocationDoesNotExist", "There is no such invocation.")
        return {
            "CommandId": run.command_id,
            "InstanceId": run.instance_id,
            "Comment": run.comment,
            "DocumentName": "AWS-RunShellScript",
            "ResponseCode": run.code,
            "Status": run.status,
            "StatusDetails": run.status,
            "StandardOutputContent": run.output[:_SHOWN],
            "StandardErrorContent": run.errors[:_SHOWN_ERRORS],
        }

    def list(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the invocations of a command or of a machine."""
        if "Filters" in parameters:
            raise NotSimulated("ListCommandInvocations with filters")
        wanted = parameters.get("CommandId"), parameters.get("InstanceId")
        found = [
            {
                "CommandId": run.command_id,
                "InstanceId": run.instance_id,
                "Comment": run.comment,
                "RequestedDateTime": run.requested_at,
                "Status": run.status,
                "StatusDetails": run.status,
            }
            for run in self._runs.values()
            if wanted[0] in {None, run.command_id} and wanted[1] in {None, run.instance_id}
        ]
        return {"CommandInvocations": found}

    def cancel(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """End a script with all that it started in its session."""
        for (command_id, instance_id), run in self._runs.items():
            is_meant = instance_id in parameters.get("InstanceIds", [instance_id])
            if command_id == parameters["CommandId"] and is_meant and run.status == "InProgress":
                run.status = "Cancelled"
                _kill(run.child)
        return {}

    def reachable(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the machines that take commands: those that run."""
        wanted = set(self._machines.running)
        for one in parameters.get("Filters", []):
            if one["Key"] != "InstanceIds":
                raise NotSimulated(f"DescribeInstanceInformation by {one['Key']}")
            wanted &= set(one["Values"])
        if "InstanceInformationFilterList" in parameters:
            raise NotSimulated("InstanceInformationFilterList")
        return {"InstanceInformationList": [{"InstanceId": one, "PingStatus": "Online"} for one in sorted(wanted)]}

    def wait(self) -> None:
        """Wait until all scripts have ended."""
        for thread in self._threads:
            thread.join(30)

    def _start(self, command_id: str, instance_id: str, parameters: dict[str, Any]) -> None:
        machine = self._machines.running[instance_id]
        script = moved("\n".join(parameters["Parameters"]["commands"]), machine.root, machine.address)
        check_removals(script, machine.root)
        limit = int(parameters["Parameters"].get("executionTimeout", [_TIMEOUT_SECONDS])[0])
        child = self._machines.spawn(machine, ["sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        run = _Run(command_id, instance_id, child, self._clock.now(), parameters.get("Comment", ""))
        self._runs[command_id, instance_id] = run
        thread = threading.Thread(target=self._follow, args=(run, limit, parameters), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _follow(self, run: _Run, limit: int, parameters: dict[str, Any]) -> None:
        status = None
        try:
            output, errors = run.child.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            status = "TimedOut"
            _kill(run.child)
            output, errors = run.child.communicate()
        run.output, run.errors = output.decode(errors="replace"), errors.decode(errors="replace")
        if bucket := parameters.get("OutputS3BucketName"):
            path = f"{run.command_id}/{run.instance_id}/awsrunShellScript/0.awsrunShellScript"
            prefix = "/".join(filter(None, [parameters.get("OutputS3KeyPrefix"), path]))
            for name, content in (("stdout", output), ("stderr", errors)):
                if content:
                    self._s3.put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=content)
        is_cut_off = status is not None or run.status != "InProgress"
        run.code = _CUT_OFF if is_cut_off else run.child.returncode
        if run.status == "InProgress":
            run.status = status or ("Success" if run.code == 0 else "Failed")


def _kill(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(child.pid)
        for one in [*process.children(recursive=True), process]:
            with contextlib.suppress(psutil.Error):
                one.kill()
