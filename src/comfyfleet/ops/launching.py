"""Machines that a verb launches for itself: found again and ended whatever happens."""

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import replace

from comfyfleet import names
from comfyfleet.cloud.errors import GateInUse
from comfyfleet.cloud.fleet_ports import Machine, NewMachine
from comfyfleet.core.errors import Unavailable
from comfyfleet.ops.errors import ImageUnknown
from comfyfleet.ops.targets import check_image_id
from comfyfleet.ops.tools import Cloud, Reporter
from comfyfleet.ops.waiting import wait_gone


def new_token() -> str:
    """Return what makes a launch happen once, and finds its machine."""
    return uuid.uuid4().hex


@contextlib.contextmanager
def ending_on_failure(cloud: Cloud, reporter: Reporter, new: NewMachine, token: str) -> Iterator[Machine]:
    """Launch a machine; whatever then fails, Ctrl-C too, ends it."""
    try:
        yield cloud.machines.launch(replace(new, tags={**new.tags, names.LAUNCH_TAG: token}), token=token)
    except BaseException:
        end_launched(cloud, reporter, token)
        raise


def end_launched(cloud: Cloud, reporter: Reporter, token: str) -> None:
    """End the machine of a launch, also one whose id never came back; another Ctrl-C meanwhile does not stop that."""
    try:
        _end(cloud, reporter, token)
    except (KeyboardInterrupt, Unavailable):
        _end(cloud, reporter, token)
        raise


def _end(cloud: Cloud, reporter: Reporter, token: str) -> None:
    for machine in cloud.machines.tagged({names.LAUNCH_TAG: token}):
        reporter.step(f"Ending {machine.instance_id}")
        cloud.machines.terminate(machine.instance_id)


def end_with_gate(cloud: Cloud, reporter: Reporter, instance_id: str, gate_id: str | None) -> None:
    """End a machine, and the way in that was made for it, which it has to be gone for."""
    reporter.step(f"Ending {instance_id}")
    cloud.machines.terminate(instance_id)
    if gate_id:
        wait_gone(cloud, instance_id)
        reporter.step(f"Removing the security group {gate_id}")
        cloud.gates.close(gate_id)


def close_orphaned_gates(cloud: Cloud, role: str) -> list[str]:
    """Remove the ways in whose machines are gone, such as those that stopped by themselves; return their ids."""
    used = {machine.tags.get(names.GATE_TAG) for machine in cloud.machines.tagged({names.ROLE_TAG: role})}
    closed = []
    for gate in cloud.gates.tagged({names.ROLE_TAG: role}):
        if gate.gate_id not in used:
            with contextlib.suppress(GateInUse):
                cloud.gates.close(gate.gate_id)
                closed.append(gate.gate_id)
    return closed


def fleet_image(cloud: Cloud, stage: str, fleet_slug: str) -> str:
    """Return the image that a fleet's parameter holds; raise `ImageUnknown` without one."""
    name = names.image_parameter(stage, fleet_slug, prefix=cloud.prefix)
    parameter = cloud.parameters.get(name)
    if parameter is None:
        raise ImageUnknown(f"There is no parameter {name}.", hint="Bake an image: comfyfleet fleets bake. Or name one.")
    return existing_image(cloud, parameter.value)


def existing_image(cloud: Cloud, image_id: str) -> str:
    """Return the id of an image that exists; raise `ImageUnknown` otherwise."""
    if cloud.images.find(check_image_id(image_id)) is None:
        raise ImageUnknown(f"There is no image {image_id}.", hint="Check the id, the account and the region.")
    return image_id


def fleet_subnet(cloud: Cloud, stage: str, fleet_slug: str) -> str | None:
    """Return the first subnet in which a fleet's group launches, or None when there is no such group."""
    group = cloud.groups.find(names.group_name(stage, fleet_slug))
    return next(iter(group.subnet_ids), None) if group else None
