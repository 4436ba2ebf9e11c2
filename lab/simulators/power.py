"""Machines that are stopped, and started again on the disk that they had.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Stop_Start.html
"""

from collections.abc import Collection
from typing import Any

from lab.errors import ApiError, NotSimulated
from lab.machines import Machine, Machines
from lab.server import Action


class Power:
    """StopInstances and StartInstances; both are over when the call returns."""

    def __init__(self, ec2: Any, machines: Machines) -> None:
        self._ec2, self._machines = ec2, machines
        self._stopped: dict[str, Machine] = {}

    def actions(self) -> dict[str, Action]:
        """Return what we answer."""
        return {"ec2:StopInstances": self.stop, "ec2:StartInstances": self.start}

    def stop(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Shut machines down; their disks stay. One that is stopped already stays so.

        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StopInstances.html
        """
        if parameters.get("Hibernate"):
            raise NotSimulated("hibernation")
        ids = parameters["InstanceIds"]
        self._check(ids, "stopped", {"pending", "running", "stopping", "stopped"})
        answer: dict[str, Any] = self._ec2.stop_instances(InstanceIds=ids)
        for instance_id in ids:
            if (machine := self._machines.running.get(instance_id)) is not None:
                self._machines.shut_down(machine)
                self._stopped[instance_id] = machine
        answer.pop("ResponseMetadata")
        return answer

    def start(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Boot machines again: what is enabled starts, user data does not, and a public address is another one.

        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StartInstances.html and
        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html
        """
        ids = parameters["InstanceIds"]
        self._check(ids, "started", {"stopped", "pending", "running"})
        answer: dict[str, Any] = self._ec2.start_instances(InstanceIds=ids)
        for instance_id in ids:
            if (machine := self._stopped.pop(instance_id, None)) is not None:
                self._machines.start_again(machine)
        answer.pop("ResponseMetadata")
        return answer

    def halt(self, instance_id: str) -> bool:
        """Stop a machine that halts by itself, if that is what it was launched with; return whether it was.

        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/terminating-instances.html#Using_ChangingInstanceInitiatedShutdownBehavior
        """
        name = "instanceInitiatedShutdownBehavior"
        found = self._ec2.describe_instance_attribute(InstanceId=instance_id, Attribute=name)
        if found["InstanceInitiatedShutdownBehavior"]["Value"] != "stop":
            return False
        self.stop({"InstanceIds": [instance_id]})
        return True

    def _check(self, ids: list[str], verb: str, states: Collection[str]) -> None:
        """Refuse machines that are in none of these states, and spot machines, which a request of ours launched once.

        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/stopping-a-spot-instance.html
        """
        pages = self._ec2.describe_instances(InstanceIds=ids)["Reservations"]
        for instance in [one for page in pages for one in page["Instances"]]:
            name = instance["InstanceId"]
            if instance.get("InstanceLifecycle") == "spot":
                words = f"You can't stop the Spot Instance '{name}': its request is a one-time request."
                raise ApiError("UnsupportedOperation", words)
            if instance["State"]["Name"] not in states:
                words = f"The instance '{name}' is not in a state from which it can be {verb}."
                raise ApiError("IncorrectInstanceState", words)
