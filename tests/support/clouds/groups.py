"""Groups of machines, and their replacement."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.support.clouds.machines import Clock, MemoryMachines
from tests.support.clouds.stage import FLEET, GROUP, STAGE

from comfyfleet import names
from comfyfleet.cloud.errors import CapacityInvalid, GroupNotFound, RollRunning
from comfyfleet.cloud.fleet_ports import Group, Member, Roll, RollChoices, RollStatus

REPLACE_SECONDS = 120
CANCEL_SECONDS = 60


@dataclass
class MemoryGroups:
    """One group, whose members are machines of what `image` returns.

    With `hook_seconds` those that go when it shrinks wait for so long, or until they are let go.
    """

    machines: MemoryMachines
    image: Callable[[], str]
    maximum: int = 10
    hook_seconds: int | None = None
    members: dict[str, str] = field(default_factory=dict)
    protected: set[str] = field(default_factory=set)
    waiting: dict[str, datetime] = field(default_factory=dict)
    subnet_ids: tuple[str, ...] = ("subnet-1",)
    exists: bool = True

    def find(self, name: str) -> Group | None:
        if name != GROUP or not self.exists:
            return None
        for instance_id in [one for one, until in self.waiting.items() if until <= self.machines.clock.now()]:
            self.leave(instance_id)
        members = tuple(self._member(instance_id) for instance_id in self.members)
        return Group(GROUP, 0, self.maximum, len(self._staying()), members, self.subnet_ids)

    def group_of(self, instance_id: str) -> str | None:
        return GROUP if instance_id in self.members else None

    def set_capacity(self, name: str, desired: int) -> None:
        if self.find(name) is None:
            raise GroupNotFound("There is no such group.")
        if not 0 <= desired <= self.maximum:
            raise CapacityInvalid(f"It cannot have {desired} machines.")
        for _ in range(desired - len(self._staying())):
            self.join(self.image())
        free = [one for one in self._staying() if one not in self.protected]
        for instance_id in free[: max(0, len(self._staying()) - desired)]:
            if self.hook_seconds is None:
                self.leave(instance_id)
            else:
                self._wait(instance_id, self.hook_seconds)

    def protect(self, name: str, instance_id: str, *, is_protected: bool) -> None:
        if is_protected:
            self.protected.add(instance_id)
        else:
            self.protected.discard(instance_id)

    def finish_hook(self, name: str, hook: str, instance_id: str) -> None:
        if instance_id in self.waiting:
            self.leave(instance_id)

    def extend_hook(self, name: str, hook: str, instance_id: str) -> None:
        if instance_id in self.waiting and self.hook_seconds is not None:
            self._wait(instance_id, self.hook_seconds)

    def join(self, image_id: str) -> str:
        tags = {names.ROLE_TAG: names.FLEET_ROLE, names.FLEET_TAG: FLEET, names.STAGE_TAG: STAGE}
        instance_id = self.machines.add(image_id, tags)
        self.members[instance_id] = image_id
        return instance_id

    def leave(self, instance_id: str) -> None:
        del self.members[instance_id]
        self.waiting.pop(instance_id, None)
        self.machines.terminate(instance_id)

    def _wait(self, instance_id: str, seconds: int) -> None:
        self.waiting[instance_id] = self.machines.clock.now() + timedelta(seconds=seconds)

    def _staying(self) -> list[str]:
        return [one for one in self.members if one not in self.waiting]

    def _member(self, instance_id: str) -> Member:
        lifecycle = "Terminating:Wait" if instance_id in self.waiting else "InService"
        is_protected = instance_id in self.protected
        return Member(instance_id, lifecycle, "Healthy", is_protected, self.members[instance_id], "g5.xlarge")


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
    fails_from: int | None = None
    started: list[RollChoices] = field(default_factory=list)
    _all: list[_Rolling] = field(default_factory=list)

    def start(self, group: str, choices: RollChoices) -> str:
        if self.groups.find(group) is None:
            raise GroupNotFound("There is no such group.")
        last = self.look(group)
        if last is not None and not last.status.is_over:
            raise RollRunning("A roll is running.")
        image = self.groups.image()
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
        self.groups.join(self.groups.image())
        wait = REPLACE_SECONDS
        reached = {one for one in roll.choices.checkpoints if one <= roll.percent} - roll.waited
        if reached and roll.left:
            wait += roll.choices.checkpoint_seconds
        roll.waited |= reached
        roll.next_at += timedelta(seconds=wait)
        if self.fails_from is not None and roll.size - len(roll.left) >= self.fails_from:
            roll.status = RollStatus.FAILED
        return True
