"""Time, machines, images and gates."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count

from comfyfleet.cloud.errors import GateInUse, NoCapacity
from comfyfleet.cloud.fleet_ports import Image, ImageState, Machine, MachineState, NewMachine
from comfyfleet.cloud.gate_ports import Gate

STARTS_SECONDS = 30
ENDS_SECONDS = 20
IMAGE_SECONDS = 300


@dataclass
class Clock:
    """A time that passes when somebody sleeps. `on_sleep` are called with what was slept."""

    at: datetime = datetime(2026, 2, 20, 12, 0, tzinfo=UTC)
    on_sleep: list[Callable[[float], None]] = field(default_factory=list)

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        for call in self.on_sleep:
            call(seconds)


def has(found: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(found.get(name) == value for name, value in wanted.items())


@dataclass
class MemoryMachines:
    """Machines; those whose type is in `without_capacity` cannot be had, and `ends_at_once` lets a launch die."""

    clock: Clock
    without_capacity: set[str] = field(default_factory=set)
    ends_at_once: bool = False
    launched: list[NewMachine] = field(default_factory=list)
    _all: dict[str, Machine] = field(default_factory=dict)
    _tokens: dict[str, str] = field(default_factory=dict)
    _ended_at: dict[str, datetime] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def launch(self, new: NewMachine, *, token: str) -> Machine:
        if token not in self._tokens:
            kind = next((kind for kind in new.instance_types if kind not in self.without_capacity), None)
            if kind is None:
                raise NoCapacity("No machine can be had now.", hint="Try later.")
            self.launched.append(new)
            self._tokens[token] = self.add(new.image_id, {**new.tags, "Name": new.name}, kind)
        found = self.find(self._tokens[token])
        assert found is not None
        if self.ends_at_once:
            self.terminate(found.instance_id)
        return found

    def add(self, image_id: str, tags: Mapping[str, str], kind: str = "g5.xlarge", *, age_hours: float = 0) -> str:
        number = next(self._numbers)
        instance_id = f"i-{number:017x}"
        self._all[instance_id] = Machine(
            instance_id=instance_id,
            state=MachineState.PENDING,
            image_id=image_id,
            instance_type=kind,
            launched_at=self.clock.now() - timedelta(hours=age_hours),
            tags=dict(tags),
            public_address=f"203.0.113.{number}",
        )
        return instance_id

    def find(self, instance_id: str) -> Machine | None:
        machine = self._all.get(instance_id)
        return None if machine is None else replace(machine, state=self._state(machine))

    def tagged(self, tags: Mapping[str, str]) -> list[Machine]:
        found = [machine for one in self._all if (machine := self.find(one)) and has(machine.tags, tags)]
        alive = [machine for machine in found if machine.state is not MachineState.TERMINATED]
        return sorted(alive, key=lambda machine: machine.launched_at)

    def stop(self, instance_id: str) -> None:
        self._all[instance_id] = replace(self._all[instance_id], state=MachineState.STOPPED)

    def terminate(self, instance_id: str) -> None:
        self._ended_at.setdefault(instance_id, self.clock.now())

    def _state(self, machine: Machine) -> MachineState:
        ended_at = self._ended_at.get(machine.instance_id)
        if ended_at is not None:
            is_gone = self.clock.now() - ended_at >= timedelta(seconds=ENDS_SECONDS)
            return MachineState.TERMINATED if is_gone else MachineState.SHUTTING_DOWN
        if machine.state is MachineState.STOPPED:
            return machine.state
        is_up = self.clock.now() - machine.launched_at >= timedelta(seconds=STARTS_SECONDS)
        return MachineState.RUNNING if is_up else MachineState.PENDING


@dataclass
class MemoryImages:
    """Images; `fails` lets those that are made fail."""

    clock: Clock
    fails: bool = False
    template_images: frozenset[str] = frozenset()
    _all: dict[str, Image] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def create(self, instance_id: str, name: str, tags: Mapping[str, str]) -> str:
        return self.add(name, tags)

    def add(self, name: str, tags: Mapping[str, str] | None = None, *, age_hours: float = 0) -> str:
        image_id = f"ami-{next(self._numbers):017x}"
        made_at = self.clock.now() - timedelta(hours=age_hours)
        self._all[image_id] = Image(image_id, name, ImageState.PENDING, made_at, dict(tags or {}))
        return image_id

    def find(self, image_id: str) -> Image | None:
        image = self._all.get(image_id)
        if image is None:
            return None
        is_ready = self.clock.now() - image.created_at >= timedelta(seconds=IMAGE_SECONDS)
        end = ImageState.FAILED if self.fails else ImageState.AVAILABLE
        return replace(image, state=end) if is_ready else image

    def tagged(self, tags: Mapping[str, str]) -> list[Image]:
        found = [image for one in self._all if (image := self.find(one)) and has(image.tags, tags)]
        return sorted(found, key=lambda image: image.created_at, reverse=True)

    def delete(self, image_id: str) -> None:
        self._all.pop(image_id, None)

    def in_templates(self) -> frozenset[str]:
        return self.template_images

    @property
    def ids(self) -> set[str]:
        return set(self._all)


@dataclass
class MemoryGates:
    """Ways in; one cannot be removed while a machine has it."""

    machines: MemoryMachines
    opened: dict[str, tuple[Gate, str]] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def open(self, name: str, *, port: int, cidr: str, subnet_id: str | None, tags: Mapping[str, str]) -> str:
        gate_id = f"sg-{next(self._numbers):017x}"
        self.opened[gate_id] = (Gate(gate_id, name, dict(tags)), f"{cidr}:{port}")
        return gate_id

    def tagged(self, tags: Mapping[str, str]) -> list[Gate]:
        return [gate for gate, _ in self.opened.values() if has(gate.tags, tags)]

    def close(self, gate_id: str) -> None:
        if any(machine.tags.get("Gate") == gate_id for machine in self.machines.tagged({})):
            raise GateInUse(f"{gate_id} is in use.")
        self.opened.pop(gate_id, None)
