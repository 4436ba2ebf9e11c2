"""Waiting for what a cloud does by itself, with an end."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from comfyfleet.cloud.fleet_ports import Machine, MachineState
from comfyfleet.core.errors import Unavailable
from comfyfleet.ops.errors import MachineUnknown, StepFailed, WaitTimedOut
from comfyfleet.ops.tools import Cloud

Found = TypeVar("Found")

_RUNNING_SECONDS = 600
_REACHABLE_SECONDS = 900
_GONE_SECONDS = 600


def wait_for(
    cloud: Cloud,
    what: str,
    ask: Callable[[], Found | None],
    *,
    timeout_seconds: float,
    pause_seconds: float = 5,
    hint: str = "",
) -> Found:
    """Ask until there is an answer, and return it. A cloud that cannot be reached for a moment is asked again.

    Raises:
        WaitTimedOut: There was none in time; `what` says what was waited for.
    """
    deadline = cloud.now() + timedelta(seconds=timeout_seconds)
    reason = ""
    while True:
        try:
            found, reason = ask(), ""
        except Unavailable as error:
            found, reason = None, f" The last answer was: {error.message}"
        if found is not None:
            return found
        if cloud.now() >= deadline:
            raise WaitTimedOut(f"{what} did not come about in {timeout_seconds:.0f} s.{reason}", hint=hint)
        cloud.sleep(pause_seconds)


def wait_running(cloud: Cloud, instance_id: str, *, is_public: bool = False) -> Machine:
    """Wait until a machine runs, and has a public address if it is to have one.

    Raises:
        StepFailed: It ended instead, as one does whose type's quota or disk is not granted.
    """

    def ask() -> Machine | None:
        machine = cloud.machines.find(instance_id)
        if machine is not None and machine.state in {MachineState.SHUTTING_DOWN, MachineState.TERMINATED}:
            raise StepFailed(
                f"The machine {instance_id} ended while it was launched.",
                hint="EC2's console tells its state reason: often a quota of disks, or a key that encrypts them.",
            )
        if machine is None or machine.state is not MachineState.RUNNING:
            return None
        return machine if machine.public_address or not is_public else None

    return wait_for(cloud, f"A running machine {instance_id}", ask, timeout_seconds=_RUNNING_SECONDS)


def wait_reachable(cloud: Cloud, instance_id: str) -> None:
    """Wait until a machine takes commands."""
    wait_for(
        cloud,
        f"An answer of the agent on {instance_id}",
        lambda: cloud.commands.is_reachable(instance_id) or None,
        timeout_seconds=_REACHABLE_SECONDS,
        hint="Its role needs AmazonSSMManagedInstanceCore, and its subnet a way to the SSM endpoints.",
    )


def wait_gone(cloud: Cloud, instance_id: str) -> None:
    """Wait until a machine is terminated."""

    def ask() -> bool | None:
        machine = cloud.machines.find(instance_id)
        return machine is None or machine.state is MachineState.TERMINATED or None

    wait_for(cloud, f"The end of {instance_id}", ask, timeout_seconds=_GONE_SECONDS)


def running_machine(cloud: Cloud, instance_id: str) -> Machine:
    """Return a machine that runs; raise `MachineUnknown` or `StepFailed` for one that does not."""
    machine = cloud.machines.find(instance_id)
    if machine is None or machine.state is MachineState.TERMINATED:
        raise MachineUnknown(f"There is no machine {instance_id}.", hint="Check the id, the account and the region.")
    if machine.state is not MachineState.RUNNING:
        raise StepFailed(f"The machine {instance_id} is {machine.state}.", hint="It has to run.")
    return machine
