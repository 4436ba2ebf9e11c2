"""What the suites of this folder run on. A port has one suite, and each test says by `on` which clouds can serve it.

- `DISK`: this machine's own adapters, for parameters, figures and the account.
- `MEMORY`: the doubles of `tests/support/clouds`, which the tests of the verbs run on.
- `MOTO`: AWS's adapters on an emulator that keeps records: where it truly keeps what a test asks of it.
- `LAB`: AWS's adapters on the lab, which does what moto only keeps records of.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import pytest

from comfyfleet import names
from comfyfleet.cloud.fleet_ports import Group, Machine, NewMachine
from comfyfleet.ops.tools import Cloud

TYPE: Final = "g5.xlarge"
HOOK_SECONDS: Final = 600


class Target(StrEnum):
    """A cloud that a suite runs on."""

    DISK = "disk"
    MEMORY = "memory"
    MOTO = "moto"
    LAB = "lab"


DISK, MEMORY, MOTO, LAB = Target


def on(*targets: Target) -> pytest.MarkDecorator:
    """Run a test on each of these clouds."""
    return pytest.mark.parametrize("site", targets, indirect=True, ids=str)


@dataclass(frozen=True)
class Site:
    """A cloud with an image that machines can be launched of.

    `forward` lets seconds pass; `hook` gives a group the termination hook; `client` is boto3's, to look behind a port.
    """

    target: Target
    cloud: Cloud
    image_id: str
    forward: Callable[[float], None]
    hook: Callable[[str], None]
    client: Callable[[str], Any]

    def launch(self, role: str, *types: str, **more: Any) -> Machine:
        """Launch a machine that is found by a role, and wait until it runs."""
        new = self.new(role, *types, **more)
        machine = self.cloud.machines.launch(new, token=f"{role}-{more.get('name', '')}")
        self.forward(90)
        return machine

    def new(self, role: str, *types: str, **more: Any) -> NewMachine:
        """Return a machine to launch."""
        tags = {names.ROLE_TAG: role, names.FLEET_TAG: "gpu-default", **more.pop("tags", {})}
        wanted = {"name": "a machine", "image_id": self.image_id, **more}
        return NewMachine(instance_types=types or (TYPE,), tags=tags, **wanted)

    def group(self, name: str) -> Group:
        """Return a group that is there."""
        found = self.cloud.groups.find(name)
        assert found is not None
        return found

    def grow(self, name: str, count: int) -> list[str]:
        """Bring a group to a number of machines in service; return their ids."""
        self.cloud.groups.set_capacity(name, count)
        self.forward(30)
        members = self.group(name).members
        assert [one.lifecycle for one in members] == ["InService"] * count
        return [one.instance_id for one in members]

    def until(self, is_so: Callable[[], bool]) -> None:
        """Let time pass, up to an hour, until something is so."""
        for _ in range(120):
            if is_so():
                return
            self.forward(30)
        raise AssertionError("it did not come about in an hour of this cloud's time")


def nothing(*_: Any) -> None:
    """Do nothing: what a cloud without a time does when it is to pass."""
