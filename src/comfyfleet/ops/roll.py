"""Replaces a fleet's machines by such of its present image: one first, which has to prove itself; then the others.

The roll is an instance refresh that waits at a checkpoint once one machine is new. A checkpoint is reached when at
least that percentage of the group is new, so the percentage of one machine is rounded down:
https://docs.aws.amazon.com/autoscaling/ec2/userguide/asg-adding-checkpoints-instance-refresh.html
Machines that leave drain in the termination hook; no job is lost.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from comfyfleet import names
from comfyfleet.cloud.errors import GroupNotFound, RollRunning
from comfyfleet.cloud.fleet_ports import Group, Member, ParameterKind, Roll, RollChoices, RollStatus
from comfyfleet.core.errors import FleetError
from comfyfleet.ops.errors import CanaryFailed, RollUnsafe, StepFailed
from comfyfleet.ops.last_words import tell_last_words
from comfyfleet.ops.launching import existing_image, fleet_image
from comfyfleet.ops.targets import check_fleet
from comfyfleet.ops.tools import Cloud, Plan, Reporter
from comfyfleet.ops.waiting import wait_for

_PAUSE_SECONDS: Final = 10
_CANCEL_SECONDS: Final = 1800
_MACHINE_SECONDS: Final = 1800
"""How long replacing one machine may take: an hour of draining is cut off by the hook long before."""


class Proof(Protocol):
    """Tells whether a machine does its work, as the control plane sees it."""

    def is_registered(self, instance_id: str) -> bool:
        """Tell whether the machine's worker is registered and active."""
        ...

    def render(self, instance_id: str, *, among: int, timeout_seconds: float) -> int:
        """Render a job on exactly this machine, one of `among`; return the job's id.

        Raises:
            CanaryFailed: The job failed there, or none came to it in time.
        """
        ...


@dataclass(frozen=True)
class RollOrder:
    """A fleet whose machines shall be of its image; `canary_seconds` is what the first has to prove itself."""

    stage: str
    fleet_slug: str
    canary_seconds: int = 1200
    min_healthy_percent: int = 90
    warmup_seconds: int = 300
    previous_image_id: str | None = None


@dataclass(frozen=True)
class RollPlan(Plan):
    """A roll. `old` are the machines that go; without any nothing is to do. `size` counts the group's machines."""

    stage: str = ""
    group: str = ""
    parameter: str = ""
    image_id: str = ""
    previous_image_id: str | None = None
    old: tuple[str, ...] = ()
    size: int = 0
    choices: RollChoices = field(default_factory=RollChoices)

    @property
    def is_needed(self) -> bool:
        """Whether there is a machine to replace."""
        return bool(self.old)


@dataclass(frozen=True)
class RollReceipt:
    """How a roll ended. `reason` says why it was taken back, or what the cloud says of it."""

    group: str
    image_id: str
    roll_id: str | None
    status: str
    canary: str | None = None
    job_id: int | None = None
    reason: str = ""

    @property
    def is_done(self) -> bool:
        """Whether the fleet has, or gets, what was asked for."""
        return self.status in {"nothing_to_do", "started", RollStatus.SUCCEEDED.value}


def plan(order: RollOrder, cloud: Cloud) -> RollPlan:
    """Return what will be replaced.

    Raises:
        GroupNotFound: The fleet has no group.
        ImageUnknown: It has no image.
        RollRunning: Its machines are being replaced already.
    """
    label = check_fleet(order.stage, order.fleet_slug)
    group_name = names.group_name(order.stage, order.fleet_slug)
    group = cloud.groups.find(group_name)
    if group is None:
        raise GroupNotFound(f"There is no group {group_name}.", hint="Deploy the GPU stack of the stage.")
    image_id = fleet_image(cloud, order.stage, order.fleet_slug)
    running = cloud.rolls.look(group_name)
    if running is not None and not running.status.is_over:
        raise RollRunning(f"{group_name} is rolled already.", hint=f"See comfyfleet fleets rolls {order.fleet_slug}.")
    images = {member.instance_id: _image_of(cloud, member) for member in staying(group)}
    old = tuple(instance_id for instance_id, image in images.items() if image != image_id)
    previous = order.previous_image_id or _most_common([image for image in images.values() if image != image_id])
    warning = None
    if old and (previous is None or cloud.images.find(previous) is None):
        previous, warning = None, "The image of the old machines is gone: a failed roll stops, and cannot go back."
    if order.previous_image_id:
        previous = existing_image(cloud, order.previous_image_id)
    return RollPlan(
        title=f"Roll {label} to {image_id}",
        steps=_steps(group, image_id, old, previous),
        warnings=(warning,) if warning else (),
        stage=order.stage,
        group=group_name,
        parameter=names.image_parameter(order.stage, order.fleet_slug, prefix=cloud.prefix),
        image_id=image_id,
        previous_image_id=previous,
        old=old,
        size=len(images),
        choices=_choices(order, len(images)),
    )


def apply(plan: RollPlan, cloud: Cloud, reporter: Reporter, proof: Proof | None, *, waits: bool = True) -> RollReceipt:
    """Roll the group. The first new machine has to prove itself; otherwise the old image comes back.

    Without `waits` the roll is only started, and nothing is proved. Ctrl-C takes a roll back whose first machine has
    not proved itself; one that has goes on.

    Raises:
        StepFailed: The cloud ended the roll after the first machine had proved itself, or the way back failed.
        RollUnsafe: The group changed since the plan was made.
    """
    if not plan.is_needed:
        return RollReceipt(plan.group, plan.image_id, None, "nothing_to_do", reason=" ".join(plan.steps))
    before = cloud.parameters.get(plan.parameter)
    if before is None or before.value != plan.image_id:
        raise RollUnsafe(f"{plan.parameter} has changed since the plan was made.", hint="Plan again.")
    reporter.step(f"Starting the roll of {plan.group}")
    roll_id = cloud.rolls.start(plan.group, plan.choices)
    if not waits:
        return RollReceipt(plan.group, plan.image_id, roll_id, "started")
    try:
        canary, job_id = _prove(plan, cloud, reporter, proof, roll_id)
    except FleetError as error:
        _take_back(plan, cloud, reporter, roll_id, error.message)
        return RollReceipt(plan.group, plan.image_id, roll_id, "rolled_back", reason=error.message)
    except KeyboardInterrupt:
        _take_back(plan, cloud, reporter, roll_id, "It was interrupted.")
        raise
    roll = _finish(plan, cloud, reporter, roll_id)
    if roll.status is not RollStatus.SUCCEEDED:
        raise StepFailed(
            f"The roll of {plan.group} ended as {roll.status}: {roll.reason or 'no reason was given'}",
            hint="Machines of both images may run. Roll again, or write the old image back and roll.",
        )
    return RollReceipt(plan.group, plan.image_id, roll_id, roll.status.value, canary, job_id)


def look(stage: str, fleet_slug: str, cloud: Cloud) -> Roll | None:
    """Return how far a fleet's last roll is."""
    check_fleet(stage, fleet_slug)
    return cloud.rolls.look(names.group_name(stage, fleet_slug))


def canary_percent(size: int) -> int:
    """Return the percentage of a group that is reached with one new machine, and not before."""
    return max(1, 100 // max(size, 1))


def staying(group: Group) -> list[Member]:
    """Return the machines of a group that are not on their way out."""
    return [member for member in group.members if not member.lifecycle.startswith(("Terminat", "Detach"))]


def _image_of(cloud: Cloud, member: Member) -> str | None:
    if member.image_id:
        return member.image_id
    machine = cloud.machines.find(member.instance_id)
    return machine.image_id if machine else None


def _most_common(images: Sequence[str | None]) -> str | None:
    known = Counter(image for image in images if image)
    return known.most_common(1)[0][0] if known else None


def _choices(order: RollOrder, size: int) -> RollChoices:
    first = canary_percent(size)
    return RollChoices(
        min_healthy_percent=order.min_healthy_percent,
        warmup_seconds=order.warmup_seconds,
        checkpoints=(first, 100) if first < 100 else (100,),
        checkpoint_seconds=order.canary_seconds,
    )


def _steps(group: Group, image_id: str, old: Sequence[str], previous: str | None) -> tuple[str, ...]:
    if not group.desired and not staying(group):
        return (f"{group.name} has no machine, so there is nothing to replace: the next one is made of {image_id}.",)
    if not old:
        return (f"Every machine of {group.name} is of {image_id} already.",)
    back = f"go back to {previous}" if previous else "stop"
    steps = [
        f"Replace one of {len(old)} machines, and wait until its worker is registered",
        f"Render a test job on it; unless it succeeds, {back}",
    ]
    if len(old) > 1:
        steps.append(f"Replace the other {len(old) - 1}; each finishes its job first")
    return tuple(steps)


def _prove(
    plan: RollPlan, cloud: Cloud, reporter: Reporter, proof: Proof | None, roll_id: str
) -> tuple[str | None, int | None]:
    """Wait for the first new machine and let it render a job; return its id and the job's."""
    if proof is None:
        reporter.step("No machine has to prove itself, as was asked for")
        return None, None
    reporter.step("Waiting for the first new machine")
    canary = wait_for(
        cloud,
        f"A machine of {plan.image_id} in {plan.group}",
        lambda: _first_new(plan, cloud, roll_id),
        timeout_seconds=_MACHINE_SECONDS,
        pause_seconds=_PAUSE_SECONDS,
    )
    try:
        return canary, _prove_one(plan, cloud, reporter, proof, canary)
    except FleetError:
        tell_last_words(cloud, reporter, plan.stage, canary)
        raise


def _prove_one(plan: RollPlan, cloud: Cloud, reporter: Reporter, proof: Proof, canary: str) -> int:
    # What starts a machine and registers it comes out of the time at the checkpoint at worst.
    deadline = cloud.now().timestamp() + plan.choices.checkpoint_seconds * 0.9
    reporter.step(f"Waiting for the worker of {canary}")
    wait_for(
        cloud,
        f"The registration of {canary}",
        lambda: proof.is_registered(canary) or None,
        timeout_seconds=deadline - cloud.now().timestamp(),
        pause_seconds=_PAUSE_SECONDS,
        hint="See its /var/log/comfyui-asset-sync.log and comfyfleet workers list.",
    )
    reporter.step(f"Rendering a job on {canary}")
    job_id = proof.render(canary, among=plan.size, timeout_seconds=max(deadline - cloud.now().timestamp(), 60))
    reporter.step(f"{canary} has rendered job {job_id}")
    return job_id


def _first_new(plan: RollPlan, cloud: Cloud, roll_id: str) -> str | None:
    group = cloud.groups.find(plan.group)
    new = [] if group is None else [
        member.instance_id
        for member in staying(group)
        if member.instance_id not in plan.old and _image_of(cloud, member) == plan.image_id
    ]  # fmt: skip
    if new:
        return new[0]
    roll = cloud.rolls.look(plan.group, roll_id)
    if roll is not None and roll.status.is_over:
        raise CanaryFailed(f"The roll ended as {roll.status} before a machine was new: {roll.reason}")
    return None


def _finish(plan: RollPlan, cloud: Cloud, reporter: Reporter, roll_id: str) -> Roll:
    told = -1

    def ask() -> Roll | None:
        nonlocal told
        roll = cloud.rolls.look(plan.group, roll_id)
        if roll is not None and roll.percent != told:
            told = roll.percent
            reporter.step(f"{roll.percent} % of {plan.group} is replaced")
        return roll if roll is not None and roll.status.is_over else None

    seconds = plan.choices.checkpoint_seconds * len(plan.choices.checkpoints) + _MACHINE_SECONDS * plan.size
    return wait_for(
        cloud, f"The end of the roll of {plan.group}", ask, timeout_seconds=seconds, pause_seconds=_PAUSE_SECONDS
    )


def _take_back(plan: RollPlan, cloud: Cloud, reporter: Reporter, roll_id: str, reason: str) -> None:
    """End the roll, write the old image back and roll to it."""
    reporter.step(f"Taking the roll back: {reason}")
    cloud.rolls.cancel(plan.group)
    if plan.previous_image_id is None:
        raise CanaryFailed(reason, hint="The roll was ended. The old image is gone: bake a good one and roll again.")
    # First of all, so that whatever the group launches from now on is of the old image.
    cloud.parameters.put(plan.parameter, plan.previous_image_id, kind=ParameterKind.IMAGE)
    wait_for(
        cloud,
        f"The end of the canceled roll of {plan.group}",
        lambda: _is_over(cloud.rolls.look(plan.group, roll_id)),
        timeout_seconds=_CANCEL_SECONDS,
        pause_seconds=_PAUSE_SECONDS,
    )
    reporter.step(f"Rolling {plan.group} back to {plan.previous_image_id}")
    choices = RollChoices(
        min_healthy_percent=plan.choices.min_healthy_percent, warmup_seconds=plan.choices.warmup_seconds
    )
    roll = _finish(plan, cloud, reporter, cloud.rolls.start(plan.group, choices))
    if roll.status is not RollStatus.SUCCEEDED:
        raise StepFailed(
            f"The way back of {plan.group} ended as {roll.status}: {roll.reason}",
            hint=f"{plan.parameter} holds {plan.previous_image_id}; roll again.",
        )


def _is_over(roll: Roll | None) -> bool | None:
    return roll is None or roll.status.is_over or None
