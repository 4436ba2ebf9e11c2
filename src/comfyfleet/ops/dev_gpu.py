"""GPU machines on which people build workflows: launched from a fleet's image, and gone by themselves."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from comfyfleet import names
from comfyfleet.cloud.fleet_ports import Machine, MachineState, NewMachine
from comfyfleet.ops.errors import TargetInvalid
from comfyfleet.ops.launching import (
    close_orphaned_gates,
    end_with_gate,
    ending_on_failure,
    existing_image,
    fleet_image,
    fleet_subnet,
    new_token,
)
from comfyfleet.ops.remote import Script, demand
from comfyfleet.ops.targets import check_cidr, check_fleet, check_instance_id
from comfyfleet.ops.tools import Cloud, Plan, Reporter
from comfyfleet.ops.waiting import running_machine, wait_gone, wait_reachable, wait_running

DEFAULT_TYPES: Final = ("g5.xlarge", "g6.xlarge", "g4dn.xlarge")
MAX_HOURS: Final = 72
_DISK_GIB: Final = 200
_COMFYUI_SECONDS: Final = 600
_VAIN_STARTS: Final = 3


@dataclass(frozen=True)
class DevNodeOrder:
    """A dev node to launch. `cidr` opens ComfyUI's port to these addresses; else only a port forward leads there.

    `keeps_disk` lets the machine stop, not end, when its hours are over.
    """

    stage: str
    fleet_slug: str
    owner: str
    hours: int = 8
    instance_types: Sequence[str] = DEFAULT_TYPES
    image_id: str | None = None
    cidr: str | None = None
    subnet_id: str | None = None
    instance_profile: str | None = None
    keeps_disk: bool = False


@dataclass(frozen=True)
class LaunchPlan(Plan):
    """A dev node that will be launched. `needs_consent` is whether more than one address gets in."""

    machine: NewMachine | None = field(default=None, repr=False)
    token: str = ""
    cidr: str | None = None
    stage: str = ""
    needs_consent: bool = False


@dataclass(frozen=True)
class DevNode:
    """A dev node as people see it. `url` opens from the addresses that were let in, and is None without such."""

    instance_id: str
    state: str
    instance_type: str
    owner: str
    fleet: str
    launched_at: datetime
    url: str | None


@dataclass(frozen=True)
class StopPlan(Plan):
    """A dev node that will be ended, or only stopped."""

    instance_id: str = ""
    gate_id: str | None = None
    keeps_disk: bool = False


@dataclass(frozen=True)
class StopReceipt:
    """What became of a dev node, and which ways in were removed with it or left over."""

    instance_id: str
    state: str
    closed_gates: tuple[str, ...]


def plan(order: DevNodeOrder, cloud: Cloud) -> LaunchPlan:
    """Return what will be launched.

    Raises:
        TargetInvalid: Something has the wrong form.
        ImageUnknown: The fleet has no image, or the named one does not exist.
    """
    label = check_fleet(order.stage, order.fleet_slug)
    if not 1 <= order.hours <= MAX_HOURS:
        raise TargetInvalid(f"{order.hours} hours are too few or many.", hint=f"Take 1 to {MAX_HOURS}.")
    network = check_cidr(order.cidr) if order.cidr else None
    image_id = _image(order, cloud)
    subnet_id = order.subnet_id or fleet_subnet(cloud, order.stage, order.fleet_slug)
    machine = _machine(order, image_id, subnet_id)
    end = "stops, and its disk stays" if order.keeps_disk else "ends, with its disk"
    way = f"Open port {names.COMFYUI_PORT} to {network}" if network else "Open no port; a forward through SSM leads in"
    return LaunchPlan(
        title=f"Launch a dev node of {label} for {order.owner}",
        steps=(
            f"Launch one of {', '.join(order.instance_types)} from {image_id}"
            + (f" in {subnet_id}" if subnet_id else " in the account's default network"),
            way,
            f"After {order.hours} h it {end}",
        ),
        warnings=tuple(_warnings(order, cloud)),
        machine=machine,
        token=new_token(),
        cidr=str(network) if network else None,
        stage=order.stage,
        needs_consent=network is not None and network.num_addresses > 1,
    )


def apply(plan: LaunchPlan, cloud: Cloud, reporter: Reporter) -> DevNode:
    """Launch the machine and wait until its ComfyUI answers. What fails, or Ctrl-C, leaves nothing behind.

    Raises:
        NoCapacity: None of the types can be had now.
        StepFailed: The machine ended, or its ComfyUI does not answer.
    """
    new = plan.machine
    if new is None:
        raise TargetInvalid("The plan has no machine.", hint="Make it anew.")
    close_orphaned_gates(cloud, names.DEV_NODE_ROLE)
    gate_id = None
    if plan.cidr:
        reporter.step(f"Opening port {names.COMFYUI_PORT} to {plan.cidr}")
        gate_id = cloud.gates.open(
            f"dev-node-{plan.token[:12]}",
            port=names.COMFYUI_PORT,
            cidr=plan.cidr,
            subnet_id=new.subnet_id,
            tags={names.ROLE_TAG: names.DEV_NODE_ROLE, names.STAGE_TAG: plan.stage, names.LAUNCH_TAG: plan.token},
        )
        new = _behind(new, gate_id)
    try:
        reporter.step("Launching the machine")
        with ending_on_failure(cloud, reporter, new, plan.token) as machine:
            return _node(_until_comfyui_answers(cloud, reporter, plan, machine))
    except BaseException:
        if gate_id:
            _close_gate(cloud, reporter, plan.token, gate_id)
        raise


def dev_nodes(cloud: Cloud) -> list[DevNode]:
    """Return the dev nodes that are there, oldest first."""
    return [_node(machine) for machine in cloud.machines.tagged({names.ROLE_TAG: names.DEV_NODE_ROLE})]


def forward_command(instance_id: str, region: str, local_port: int) -> list[str]:
    """Return the command that brings a dev node's ComfyUI to a port of this machine.

    https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-sessions-start.html
    """
    parameters = {"portNumber": [str(names.COMFYUI_PORT)], "localPortNumber": [str(local_port)]}
    return [
        "aws", "ssm", "start-session",
        "--region", region,
        "--target", check_instance_id(instance_id),
        "--document-name", "AWS-StartPortForwardingSession",
        "--parameters", json.dumps(parameters, separators=(",", ":")),
    ]  # fmt: skip


def find_dev_node(cloud: Cloud, instance_id: str) -> DevNode:
    """Return a dev node that runs; raise `TargetInvalid` for a machine that is none."""
    return _node(_dev_machine(running_machine(cloud, check_instance_id(instance_id))))


def plan_stop(instance_id: str, cloud: Cloud, *, keeps_disk: bool = False, fleet: str | None = None) -> StopPlan:
    """Return how a dev node will be ended; raise `TargetInvalid` for a machine that is none, or of another fleet."""
    machine = cloud.machines.find(check_instance_id(instance_id))
    if machine is None or machine.state is MachineState.TERMINATED:
        raise TargetInvalid(f"There is no dev node {instance_id}.", hint="See comfyfleet devnode list.")
    node = _node(_dev_machine(machine))
    if fleet is not None and node.fleet != fleet:
        raise TargetInvalid(f"{instance_id} is a dev node of {node.fleet}.", hint="Go to that fleet.")
    gate_id = None if keeps_disk else machine.tags.get(names.GATE_TAG)
    verb = "Stop" if keeps_disk else "End"
    steps = [f"{verb} {instance_id}" + ("; its disk stays and costs" if keeps_disk else ", with its disk")]
    if gate_id:
        steps.append(f"Remove its security group {gate_id}")
    return StopPlan(
        title=f"{verb} the dev node {instance_id} of {node.owner or 'nobody'}",
        steps=tuple(steps),
        instance_id=instance_id,
        gate_id=gate_id,
        keeps_disk=keeps_disk,
    )


def apply_stop(plan: StopPlan, cloud: Cloud, reporter: Reporter) -> StopReceipt:
    """End or stop a dev node."""
    if plan.keeps_disk:
        reporter.step(f"Stopping {plan.instance_id}")
        cloud.machines.stop(plan.instance_id)
        return StopReceipt(plan.instance_id, "stopping", ())
    end_with_gate(cloud, reporter, plan.instance_id, plan.gate_id)
    closed = [gate for gate in (plan.gate_id,) if gate] + close_orphaned_gates(cloud, names.DEV_NODE_ROLE)
    return StopReceipt(plan.instance_id, "terminated", tuple(closed))


def _image(order: DevNodeOrder, cloud: Cloud) -> str:
    if order.image_id:
        return existing_image(cloud, order.image_id)
    return fleet_image(cloud, order.stage, order.fleet_slug)


def _machine(order: DevNodeOrder, image_id: str, subnet_id: str | None) -> NewMachine:
    return NewMachine(
        name=f"dev-node-{order.stage}-{order.fleet_slug}",
        image_id=image_id,
        instance_types=tuple(order.instance_types),
        tags={
            names.ROLE_TAG: names.DEV_NODE_ROLE,
            names.FLEET_TAG: order.fleet_slug,
            names.STAGE_TAG: order.stage,
            names.OWNER_TAG: order.owner,
        },
        user_data=user_data(order.hours, is_public=order.cidr is not None),
        template=None if order.instance_profile else names.launch_template_name(order.stage, order.fleet_slug),
        subnet_id=subnet_id,
        instance_profile=order.instance_profile,
        disk_gib=_DISK_GIB,
        has_public_address=order.cidr is not None,
        stops_itself=not order.keeps_disk,
    )


def user_data(hours: int, *, is_public: bool) -> str:
    """Return what a dev node does when it boots: it will halt by itself, and ComfyUI starts, but no worker.

    User data runs at the first start only. So that one that was stopped does the same when it is started again, the
    script is kept, where a service of the image finds it.

    ComfyUI listens on the loopback address only. To let others in, systemd hands on what comes to the machine's own
    address: https://www.freedesktop.org/software/systemd/man/latest/systemd-socket-proxyd.html
    """
    lines = [
        f"cat >{names.DEV_NODE_SCRIPT} <<'END_OF_SCRIPT'",
        "#!/bin/sh",
        f"shutdown -h +{hours * 60}",
        f"systemctl start {names.COMFYUI_SERVICE}",
    ]
    if is_public:
        port = names.COMFYUI_PORT
        lines += [
            "address=$(hostname -I | cut -d' ' -f1)",
            "proxy=$(command -v systemd-socket-proxyd || echo /usr/lib/systemd/systemd-socket-proxyd)",
            f'listen="--socket-property=ListenStream=$address:{port}"',
            f'exec systemd-run --unit=comfyui-public "$listen" "$proxy" 127.0.0.1:{port}',
        ]
    lines += ["END_OF_SCRIPT", f"chmod 755 {names.DEV_NODE_SCRIPT}", f"exec {names.DEV_NODE_SCRIPT}"]
    return "\n".join(["#!/bin/sh", *lines]) + "\n"


def _warnings(order: DevNodeOrder, cloud: Cloud) -> list[str]:
    warnings = []
    if order.cidr and (count := check_cidr(order.cidr).num_addresses) > 1:
        warnings.append(
            f"{count:,} addresses can use this ComfyUI, which asks for no password and runs what it is sent."
        )
    mine = [node.instance_id for node in dev_nodes(cloud) if node.owner == order.owner]
    if mine:
        warnings.append(f"{order.owner} has {', '.join(mine)} already.")
    return warnings


def _behind(new: NewMachine, gate_id: str) -> NewMachine:
    return replace(new, security_group_ids=(gate_id,), tags={**new.tags, names.GATE_TAG: gate_id})


def _until_comfyui_answers(cloud: Cloud, reporter: Reporter, plan: LaunchPlan, machine: Machine) -> Machine:
    instance_id = machine.instance_id
    reporter.step(f"Waiting for {instance_id} ({machine.instance_type})")
    machine = wait_running(cloud, instance_id, is_public=plan.cidr is not None)
    wait_reachable(cloud, instance_id)
    reporter.step("Waiting for ComfyUI")
    log_prefix = names.sync_log_prefix(plan.stage, instance_id)
    demand(cloud, reporter, Script(instance_id, await_comfyui(), "await ComfyUI", _COMFYUI_SECONDS, log_prefix))
    return machine


def await_comfyui() -> str:
    """Return a script that ends when ComfyUI answers.

    It fails with ComfyUI's log after five minutes, or as soon as systemd has started it again and again in vain.
    """
    restarts = f"systemctl show -p NRestarts --value {names.COMFYUI_SERVICE}"
    return (
        "for _ in $(seq 150); do\n"
        f"  curl -fsS -m 5 -o /dev/null {names.COMFYUI_DEFAULT_URL}/system_stats 2>/dev/null && exit 0\n"
        f'  [ "$({restarts})" -ge {_VAIN_STARTS} ] 2>/dev/null && break\n'
        "  sleep 2\n"
        "done\n"
        f"journalctl -u {names.COMFYUI_SERVICE} -n 20 --no-pager\n"
        "exit 1"
    )


def _close_gate(cloud: Cloud, reporter: Reporter, token: str, gate_id: str) -> None:
    for machine in cloud.machines.tagged({names.LAUNCH_TAG: token}):
        wait_gone(cloud, machine.instance_id)
    reporter.step(f"Removing the security group {gate_id}")
    cloud.gates.close(gate_id)


def _dev_machine(machine: Machine) -> Machine:
    if machine.tags.get(names.ROLE_TAG) != names.DEV_NODE_ROLE:
        raise TargetInvalid(f"{machine.instance_id} is no dev node.", hint="See comfyfleet devnode list.")
    return machine


def _node(machine: Machine) -> DevNode:
    tags = machine.tags
    is_open = tags.get(names.GATE_TAG) and machine.public_address
    return DevNode(
        instance_id=machine.instance_id,
        state=machine.state.value,
        instance_type=machine.instance_type,
        owner=tags.get(names.OWNER_TAG, ""),
        fleet=f"{tags.get(names.STAGE_TAG, '')}/{tags.get(names.FLEET_TAG, '')}",
        launched_at=machine.launched_at,
        url=f"http://{machine.public_address}:{names.COMFYUI_PORT}" if is_open else None,
    )
