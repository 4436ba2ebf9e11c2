"""The account, and the cloud of all."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from tests.support.clouds.commands import ShellCommands
from tests.support.clouds.groups import MemoryGroups, MemoryRolls
from tests.support.clouds.machines import Clock, MemoryGates, MemoryImages, MemoryMachines
from tests.support.clouds.parameters import MemoryParameters
from tests.support.clouds.stage import ACCOUNT, BUCKET, FLEET, GROUP, IMAGE_PARAMETER, LABEL, STAGE

from comfyfleet import names
from comfyfleet.cloud.fleet_ports import Identity, ParameterKind
from comfyfleet.cloud.local.figures import DiskFigures
from comfyfleet.cloud.local.objects import DiskObjectStore
from comfyfleet.cloud.ports import ObjectStore
from comfyfleet.ops.tools import Cloud

__all__ = ["BUCKET", "FLEET", "GROUP", "IMAGE_PARAMETER", "LABEL", "STAGE"]


class MemoryAccount:
    def identity(self) -> Identity:
        return Identity(ACCOUNT, "eu-central-1", f"arn:aws:iam::{ACCOUNT}:user/ada")


class MemoryCloud:
    """All of it, with a fleet that has an image and no machine."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.machines = MemoryMachines(self.clock)
        self.images = MemoryImages(self.clock)
        self.gates = MemoryGates(self.machines)
        self.parameters = MemoryParameters(self.clock, self.images)
        self.commands = ShellCommands(self.machines, folder / "machines")
        self.groups = MemoryGroups(self.machines, self.image_in_parameter)
        self.clock.on_sleep.append(self._let_roll)
        self.rolls = MemoryRolls(self.clock, self.groups)
        self._folder = folder
        self.image_id = self.images.add("first", fleet_image_tags(), age_hours=240)
        self.base_id = self.images.add("base", age_hours=1000)
        self.parameters.put(IMAGE_PARAMETER, self.image_id, kind=ParameterKind.IMAGE)
        self.parameters.put(names.BASE_IMAGE_PARAMETER, self.base_id)
        self.parameters.put(names.models_bucket_parameter(STAGE), BUCKET)
        self.parameters.writes.clear()

    def bucket(self, name: str) -> ObjectStore:
        return DiskObjectStore(self._folder / "buckets", name, b"a-secret-for-tests")

    @property
    def cloud(self) -> Cloud:
        return Cloud(
            account=MemoryAccount(),
            parameters=self.parameters,
            machines=self.machines,
            images=self.images,
            commands=self.commands,
            groups=self.groups,
            rolls=self.rolls,
            figures=DiskFigures(self._folder / "figures.sqlite"),
            gates=self.gates,
            bucket=self.bucket,
            now=self.clock.now,
            sleep=self.clock.sleep,
        )

    def _let_roll(self, _: float) -> None:
        self.rolls.look(GROUP)

    def image_in_parameter(self) -> str:
        parameter = self.parameters.get(IMAGE_PARAMETER)
        assert parameter is not None
        return parameter.value

    def alive(self, role: str) -> list[str]:
        self.clock.at += timedelta(minutes=5)
        return [machine.instance_id for machine in self.machines.tagged({names.ROLE_TAG: role})]

    def up(self, *, role: str = names.FLEET_ROLE, **tags: str) -> str:
        """Return a machine that runs and takes commands."""
        found = self.machines.add(
            self.image_id, {names.ROLE_TAG: role, names.FLEET_TAG: FLEET, names.STAGE_TAG: STAGE, **tags}
        )
        self.clock.at += timedelta(minutes=5)
        return found


def fleet_image_tags() -> dict[str, str]:
    return {names.STAGE_TAG: STAGE, names.FLEET_TAG: FLEET, names.ROLE_TAG: names.FLEET_ROLE}


@dataclass
class Recorder:
    """A reporter that keeps what it hears, and presses Ctrl-C when a step begins so."""

    interrupts_at: str | None = None
    steps: list[str] = field(default_factory=list)
    text: str = ""

    def step(self, words: str) -> None:
        self.steps.append(words)
        if self.interrupts_at is not None and words.startswith(self.interrupts_at):
            self.interrupts_at = None
            raise KeyboardInterrupt

    def output(self, text: str) -> None:
        self.text += text
