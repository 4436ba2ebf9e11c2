"""Parameters, groups, rolls, and the cloud of all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from tests.support.clouds.commands import ShellCommands
from tests.support.clouds.machines import Clock, MemoryGates, MemoryImages, MemoryMachines

from comfyfleet import names
from comfyfleet.cloud.errors import RollRunning
from comfyfleet.cloud.fleet_ports import (
    Alarm,
    Group,
    Identity,
    Member,
    Parameter,
    ParameterKind,
    Roll,
    RollChoices,
    RollStatus,
)
from comfyfleet.cloud.local.objects import DiskObjectStore
from comfyfleet.cloud.ports import ObjectStore
from comfyfleet.ops.tools import Cloud

STAGE, FLEET = "staging", "gpu-default"
LABEL = f"{STAGE}/{FLEET}"
GROUP = names.group_name(STAGE, FLEET)
IMAGE_PARAMETER = names.image_parameter(STAGE, FLEET)
BUCKET = names.models_bucket("123456789012", STAGE)
REPLACE_SECONDS = 120
CANCEL_SECONDS = 60


@dataclass
class MemoryParameters:
    clock: Clock
    _all: dict[str, Parameter] = field(default_factory=dict)
    kinds: dict[str, ParameterKind] = field(default_factory=dict)
    writes: list[tuple[str, str]] = field(default_factory=list)

    def get(self, name: str) -> Parameter | None:
        return self._all.get(name)

    def below(self, prefix: str) -> list[Parameter]:
        start = prefix.rstrip("/") + "/"
        return [one for name, one in sorted(self._all.items()) if name.startswith(start)]

    def put(self, name: str, value: str, *, kind: ParameterKind = ParameterKind.TEXT) -> None:
        before = self._all.get(name)
        self.kinds.setdefault(name, kind)
        self.writes.append((name, value))
        self._all[name] = Parameter(name, value, before.version + 1 if before else 1, self.clock.now())

    def delete(self, name: str) -> None:
        self._all.pop(name, None)


@dataclass
class MemoryGroups:
    """One group, whose members are machines."""

    machines: MemoryMachines
    members: dict[str, str] = field(default_factory=dict)
    subnet_ids: tuple[str, ...] = ("subnet-1",)
    exists: bool = True

    def find(self, name: str) -> Group | None:
        if name != GROUP or not self.exists:
            return None
        members = tuple(
            Member(instance_id, "InService", "Healthy", is_protected=False, image_id=image)
            for instance_id, image in self.members.items()
        )
        return Group(GROUP, 0, 10, len(members), members, self.subnet_ids)

    def group_of(self, instance_id: str) -> str | None:
        return GROUP if instance_id in self.members else None

    def set_capacity(self, name: str, desired: int) -> None:
        raise AssertionError("no verb asks for it")

    def protect(self, name: str, instance_id: str, *, is_protected: bool) -> None:
        raise AssertionError("no verb asks for it")

    def finish_hook(self, name: str, hook: str, instance_id: str) -> None:
        raise AssertionError("no verb asks for it")

    def extend_hook(self, name: str, hook: str, instance_id: str) -> None:
        raise AssertionError("no verb asks for it")

    def join(self, image_id: str) -> str:
        tags = {names.ROLE_TAG: names.FLEET_ROLE, names.FLEET_TAG: FLEET, names.STAGE_TAG: STAGE}
        instance_id = self.machines.add(image_id, tags)
        self.members[instance_id] = image_id
        return instance_id

    def leave(self, instance_id: str) -> None:
        del self.members[instance_id]
        self.machines.terminate(instance_id)


@dataclass
class _Rolling:
    """A roll as it goes: `next_at` is when the next machine is replaced."""

    roll_id: str
    choices: RollChoices
    started_at: datetime
    next_at: datetime
    left: list[str]
    size: int
    status: RollStatus = RollStatus.RUNNING
    waited: set[int] = field(default_factory=set)
    ends_at: datetime | None = None

    @property
    def percent(self) -> int:
        return 100 * (self.size - len(self.left)) // self.size if self.size else 100


@dataclass
class MemoryRolls:
    """Replaces one machine after the other by such of the image that the parameter holds, and waits at checkpoints.

    With `fails_from` replaced machines, a roll fails.
    """

    clock: Clock
    groups: MemoryGroups
    parameters: MemoryParameters
    fails_from: int | None = None
    started: list[RollChoices] = field(default_factory=list)
    _all: list[_Rolling] = field(default_factory=list)

    def start(self, group: str, choices: RollChoices) -> str:
        last = self.look(group)
        if last is not None and not last.status.is_over:
            raise RollRunning("A roll is running.")
        image = self._image()
        old = [one for one, its in self.groups.members.items() if not choices.skip_matching or its != image]
        now = self.clock.now()
        self.started.append(choices)
        roll_id = f"roll-{len(self.started)}"
        self._all.append(
            _Rolling(roll_id, choices, now, now + timedelta(seconds=REPLACE_SECONDS), old, len(self.groups.members))
        )
        return roll_id

    def look(self, group: str, roll_id: str | None = None) -> Roll | None:
        self._advance()
        found = [roll for roll in self._all if roll_id in {None, roll.roll_id}]
        if not found:
            return None
        roll = found[-1]
        reason = "An instance failed its health checks." if roll.status is RollStatus.FAILED else ""
        return Roll(roll.roll_id, roll.status, roll.percent, len(roll.left), reason, roll.started_at)

    def cancel(self, group: str) -> None:
        last = self._all[-1] if self._all else None
        if last is not None and last.status is RollStatus.RUNNING and last.ends_at is None:
            last.ends_at = self.clock.now() + timedelta(seconds=CANCEL_SECONDS)

    def _advance(self) -> None:
        for roll in self._all:
            while roll.status is RollStatus.RUNNING and self._step(roll):
                pass

    def _step(self, roll: _Rolling) -> bool:
        if roll.ends_at is not None:
            if self.clock.now() >= roll.ends_at:
                roll.status = RollStatus.CANCELED
            return False
        if not roll.left:
            roll.status = RollStatus.SUCCEEDED
            return False
        if self.clock.now() < roll.next_at:
            return False
        self.groups.leave(roll.left.pop(0))
        self.groups.join(self._image())
        wait = REPLACE_SECONDS
        reached = {one for one in roll.choices.checkpoints if one <= roll.percent} - roll.waited
        if reached and roll.left:
            wait += roll.choices.checkpoint_seconds
        roll.waited |= reached
        roll.next_at += timedelta(seconds=wait)
        if self.fails_from is not None and roll.size - len(roll.left) >= self.fails_from:
            roll.status = RollStatus.FAILED
        return True

    def _image(self) -> str:
        parameter = self.parameters.get(IMAGE_PARAMETER)
        assert parameter is not None
        return parameter.value


class MemoryAccount:
    def identity(self) -> Identity:
        return Identity("123456789012", "eu-central-1", "arn:aws:iam::123456789012:user/ada")


class NoFigures:
    def put(self, namespace: str, dimensions: Mapping[str, str], values: Mapping[str, float], at: datetime) -> None:
        raise AssertionError("no verb asks for it")

    def series(
        self, namespace: str, dimensions: Mapping[str, str], metric: str, start: datetime, end: datetime, period: int
    ) -> list[tuple[datetime, float]]:
        raise AssertionError("no verb asks for it")

    def alarms(self, names: Sequence[str]) -> list[Alarm]:
        raise AssertionError("no verb asks for it")


class MemoryCloud:
    """All of it, with a fleet that has an image and no machine."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.machines = MemoryMachines(self.clock)
        self.images = MemoryImages(self.clock)
        self.gates = MemoryGates(self.machines)
        self.parameters = MemoryParameters(self.clock)
        self.commands = ShellCommands(self.machines, folder / "machines")
        self.groups = MemoryGroups(self.machines)
        self.clock.on_sleep.append(self._let_roll)
        self.rolls = MemoryRolls(self.clock, self.groups, self.parameters)
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
            figures=NoFigures(),
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
