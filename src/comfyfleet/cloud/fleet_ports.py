"""What a fleet in a cloud is made of, as small Protocols: parameters, machines, images, groups, commands, figures.

All raise `Unavailable` for a cloud that cannot be reached or throttles, and `Forbidden` for what a policy denies.
Adapters are synchronous and safe to call from several threads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class ParameterKind(StrEnum):
    """How a parameter is kept: in the clear, encrypted, or checked to be an image's id."""

    TEXT = "text"
    SECRET = "secret"
    IMAGE = "image"


@dataclass(frozen=True)
class Parameter:
    """A named value. `version` grows with each write; `modified_at` is in UTC."""

    name: str
    value: str = field(repr=False)
    version: int
    modified_at: datetime


class ParameterStore(Protocol):
    """Named values that machines and operators read, such as a fleet's pointer."""

    def get(self, name: str) -> Parameter | None:
        """Return a parameter, decrypted, or None when there is none."""
        ...

    def below(self, prefix: str) -> list[Parameter]:
        """Return all parameters whose names begin with the path `prefix`, by name."""
        ...

    def put(self, name: str, value: str, *, kind: ParameterKind = ParameterKind.TEXT) -> None:
        """Write a parameter, whether there is one or not; an existing one keeps its kind.

        Raises:
            Invalid: The name or the value is none, such as an image that does not exist.
        """
        ...

    def delete(self, name: str) -> None:
        """Remove a parameter; one that does not exist is no error."""
        ...


class MachineState(StrEnum):
    """Life of a machine; names as EC2 has them."""

    PENDING = "pending"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    SHUTTING_DOWN = "shutting-down"
    TERMINATED = "terminated"


@dataclass(frozen=True)
class NewMachine:
    """A machine to launch. Types are tried in turn until one has capacity. `template` names a launch template.

    What is given here stands above the template. `stops_itself` is whether a shutdown from inside terminates it.
    """

    name: str
    image_id: str
    instance_types: Sequence[str]
    tags: Mapping[str, str]
    user_data: str = field(default="", repr=False)
    template: str | None = None
    subnet_id: str | None = None
    security_group_ids: Sequence[str] = ()
    instance_profile: str | None = None
    disk_gib: int | None = None
    has_public_address: bool = False
    stops_itself: bool = True


@dataclass(frozen=True)
class Machine:
    """A machine as the cloud knows it."""

    instance_id: str
    state: MachineState
    image_id: str
    instance_type: str
    launched_at: datetime
    tags: Mapping[str, str]
    public_address: str | None = None
    private_address: str | None = None
    is_spot: bool = False


class Machines(Protocol):
    """Machines that are launched one by one, and what is known of all."""

    def launch(self, new: NewMachine, *, token: str) -> Machine:
        """Launch a machine; the same `token` again gives the same machine.

        Raises:
            NoCapacity: None of the types can be had now.
        """
        ...

    def find(self, instance_id: str) -> Machine | None:
        """Return a machine, or None when there is none or it is long gone."""
        ...

    def tagged(self, tags: Mapping[str, str]) -> list[Machine]:
        """Return the machines that have all these tags and are not terminated, oldest first."""
        ...

    def stop(self, instance_id: str) -> None:
        """Stop a machine; its disk stays. One that is stopped is no error."""
        ...

    def terminate(self, instance_id: str) -> None:
        """End a machine and its disk; one that is gone is no error."""
        ...


class ImageState(StrEnum):
    """Life of an image."""

    PENDING = "pending"
    AVAILABLE = "available"
    FAILED = "failed"


@dataclass(frozen=True)
class Image:
    """A machine image."""

    image_id: str
    name: str
    state: ImageState
    created_at: datetime
    tags: Mapping[str, str]


class Images(Protocol):
    """Machine images of this account."""

    def create(self, instance_id: str, name: str, tags: Mapping[str, str]) -> str:
        """Begin to make an image of a machine, which reboots for it; return the image's id."""
        ...

    def find(self, image_id: str) -> Image | None:
        """Return an image, also one of others that we may use, or None."""
        ...

    def tagged(self, tags: Mapping[str, str]) -> list[Image]:
        """Return our images that have all these tags, newest first."""
        ...

    def delete(self, image_id: str) -> None:
        """Remove an image and the snapshots that only it has; one that is gone is no error."""
        ...

    def in_templates(self) -> frozenset[str]:
        """Return the ids of the images that the newest or the default version of a launch template names."""
        ...


class CommandStatus(StrEnum):
    """Life of a command on a machine."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELED = "canceled"

    @property
    def is_over(self) -> bool:
        """Whether nothing comes any more."""
        return self not in {CommandStatus.PENDING, CommandStatus.RUNNING}


@dataclass(frozen=True)
class CommandRun:
    """What is known of a command. `exit_code` is None for one that runs, or was cut off.

    Output may come late, and its beginning only: SSM shows 24,000 characters, and 8,000 of what goes to stderr.
    """

    status: CommandStatus
    exit_code: int | None
    output: str
    error_output: str


class Commands(Protocol):
    """Shell scripts run as root on machines, without a way in for anybody else."""

    def is_reachable(self, instance_id: str) -> bool:
        """Tell whether a machine takes commands now."""
        ...

    def run(self, instance_id: str, script: str, *, comment: str, timeout_seconds: int, log_prefix: str) -> str:
        """Start a script; return the command's id. Its whole output goes below `log_prefix` of the logs bucket.

        Raises:
            MachineUnreachable: The machine does not exist, or its agent does not answer.
        """
        ...

    def look(self, command_id: str, instance_id: str) -> CommandRun:
        """Return how far a command is; one that was just started may be pending."""
        ...

    def cancel(self, command_id: str, instance_id: str) -> None:
        """Ask a command to end."""
        ...


@dataclass(frozen=True)
class Member:
    """A machine in a group. `lifecycle` and `health` are in the words of Auto Scaling."""

    instance_id: str
    lifecycle: str
    health: str
    is_protected: bool
    image_id: str | None = None
    instance_type: str | None = None


@dataclass(frozen=True)
class Group:
    """An Auto Scaling group. `subnet_ids` is where its machines are launched."""

    name: str
    minimum: int
    maximum: int
    desired: int
    members: tuple[Member, ...]
    subnet_ids: tuple[str, ...] = ()


class Groups(Protocol):
    """Auto Scaling groups, and the places of machines in them."""

    def find(self, name: str) -> Group | None:
        """Return a group, or None."""
        ...

    def group_of(self, instance_id: str) -> str | None:
        """Return the group that a machine is in, or None."""
        ...

    def set_capacity(self, name: str, desired: int) -> None:
        """Ask for a number of machines.

        Raises:
            Invalid: It is not between the group's minimum and maximum.
            NotFound: There is no such group.
        """
        ...

    def protect(self, name: str, instance_id: str, *, is_protected: bool) -> None:
        """Keep a machine from being chosen when the group shrinks, or let it be."""
        ...

    def finish_hook(self, name: str, hook: str, instance_id: str) -> None:
        """Let a machine that waits in a lifecycle hook go on; one that does not wait is no error."""
        ...

    def extend_hook(self, name: str, hook: str, instance_id: str) -> None:
        """Begin a hook's time anew, for a machine that has still to finish."""
        ...


class RollStatus(StrEnum):
    """Life of a roll; one that waits at a checkpoint is running."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"

    @property
    def is_over(self) -> bool:
        """Whether nothing changes any more."""
        return self not in {RollStatus.PENDING, RollStatus.RUNNING, RollStatus.ROLLING_BACK}


@dataclass(frozen=True)
class RollChoices:
    """How a group's machines are replaced. Percentages are of the group; checkpoints rise to 100.

    The roll waits `checkpoint_seconds` at each checkpoint, and a new machine has `warmup_seconds` to come up. With
    `skip_matching` machines of the same template version stay, even when an image that it names by a parameter changed.
    """

    min_healthy_percent: int = 90
    warmup_seconds: int = 300
    checkpoints: tuple[int, ...] = ()
    checkpoint_seconds: int = 600
    skip_matching: bool = False


@dataclass(frozen=True)
class Roll:
    """How far a roll is. `percent` is of machines replaced; `reason` is the cloud's own sentence."""

    roll_id: str
    status: RollStatus
    percent: int
    to_update: int
    reason: str
    started_at: datetime | None


class Rolls(Protocol):
    """The replacement of a group's machines by such of its newest template: an instance refresh."""

    def start(self, group: str, choices: RollChoices) -> str:
        """Begin a roll; return its id.

        Raises:
            Conflict: One is running.
        """
        ...

    def look(self, group: str, roll_id: str | None = None) -> Roll | None:
        """Return a roll, by default the last one, or None."""
        ...

    def cancel(self, group: str) -> None:
        """End a running roll where it is; none is no error."""
        ...


@dataclass(frozen=True)
class Alarm:
    """An alarm. `state` is `OK`, `ALARM` or `INSUFFICIENT_DATA`; `reason` is the cloud's own sentence."""

    name: str
    state: str
    reason: str
    changed_at: datetime | None


class Figures(Protocol):
    """Metrics of fleets and the alarms that watch them."""

    def put(self, namespace: str, dimensions: Mapping[str, str], values: Mapping[str, float], at: datetime) -> None:
        """Tell several figures of one moment."""
        ...

    def series(
        self, namespace: str, dimensions: Mapping[str, str], metric: str, start: datetime, end: datetime, period: int
    ) -> list[tuple[datetime, float]]:
        """Return the averages of a figure by periods of `period` seconds, oldest first."""
        ...

    def alarms(self, names: Sequence[str]) -> list[Alarm]:
        """Return those of these alarms that exist."""
        ...


@dataclass(frozen=True)
class Identity:
    """Whom the credentials stand for."""

    account: str
    region: str
    arn: str


class Account(Protocol):
    """The account that we act in."""

    def identity(self) -> Identity:
        """Return whom the credentials stand for, which proves that they work."""
        ...
