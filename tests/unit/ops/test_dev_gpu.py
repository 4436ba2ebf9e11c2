from dataclasses import replace
from typing import Any

import pytest
from tests.support.clouds.commands import say
from tests.support.clouds.fleet import FLEET, LABEL, STAGE, MemoryCloud, Recorder

from comfyfleet.cloud.errors import NoCapacity
from comfyfleet.ops.dev_gpu import (
    DevNodeOrder,
    apply,
    apply_stop,
    dev_nodes,
    find_dev_node,
    forward_command,
    plan,
    plan_stop,
    user_data,
)
from comfyfleet.ops.errors import ImageUnknown, StepFailed, TargetInvalid, WaitTimedOut

ORDER = DevNodeOrder(stage=STAGE, fleet_slug=FLEET, owner="ada")


@pytest.fixture(autouse=True)
def comfyui_answers(memory: MemoryCloud) -> None:
    memory.commands.programs = {"curl": say(), "sleep": say(), "journalctl": say("no GPU")}


def order(**changes: Any) -> DevNodeOrder:
    return replace(ORDER, **changes)


def test_a_node_is_the_fleets_image_with_a_name_on_it_and_an_end(memory: MemoryCloud, reporter: Recorder) -> None:
    made = plan(ORDER, memory.cloud)
    assert memory.machines.launched == []
    node = apply(made, memory.cloud, reporter)
    [new] = memory.machines.launched
    assert (new.image_id, new.subnet_id, new.stops_itself) == (memory.image_id, "subnet-1", True)
    assert (new.has_public_address, new.security_group_ids) == (False, ())
    assert "shutdown -h +480" in new.user_data
    assert new.template == "lt-staging-gpu-default"
    assert (node.owner, node.fleet, node.state, node.url) == ("ada", LABEL, "running", None)
    assert [one.instance_id for one in dev_nodes(memory.cloud)] == [node.instance_id]
    assert "ada has" in plan(ORDER, memory.cloud).warnings[0]


def test_a_node_is_ended_from_its_own_fleet(memory: MemoryCloud, reporter: Recorder) -> None:
    node = apply(plan(ORDER, memory.cloud), memory.cloud, reporter)
    assert plan_stop(node.instance_id, memory.cloud, fleet=LABEL).instance_id == node.instance_id
    with pytest.raises(TargetInvalid, match="is a dev node of staging/gpu-default"):
        plan_stop(node.instance_id, memory.cloud, fleet="staging/another")


def test_an_address_that_is_let_in_has_a_gate_of_its_own(memory: MemoryCloud, reporter: Recorder) -> None:
    made = plan(order(cidr="203.0.113.7/32"), memory.cloud)
    assert not made.needs_consent
    node = apply(made, memory.cloud, reporter)
    [(gate, way)] = memory.gates.opened.values()
    assert way == "203.0.113.7/32:8188"
    assert memory.machines.launched[0].security_group_ids == (gate.gate_id,)
    assert node.url == "http://203.0.113.1:8188"
    receipt = apply_stop(plan_stop(node.instance_id, memory.cloud), memory.cloud, reporter)
    assert (receipt.closed_gates, memory.gates.opened) == ((gate.gate_id,), {})
    assert memory.alive("dev-node") == []


def test_a_range_of_addresses_needs_consent(memory: MemoryCloud) -> None:
    made = plan(order(cidr="203.0.113.0/24"), memory.cloud)
    assert made.needs_consent
    assert "256 addresses" in made.warnings[0]


def test_a_gate_whose_machine_ended_by_itself_goes_with_the_next_launch(
    memory: MemoryCloud, reporter: Recorder
) -> None:
    node = apply(plan(order(cidr="203.0.113.7"), memory.cloud), memory.cloud, reporter)
    memory.machines.terminate(node.instance_id)
    memory.clock.sleep(60)
    apply(plan(ORDER, memory.cloud), memory.cloud, reporter)
    assert memory.gates.opened == {}


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"hours": 0}, TargetInvalid),
        ({"hours": 100}, TargetInvalid),
        ({"cidr": "not-an-address"}, TargetInvalid),
        ({"cidr": "203.0.113.7/24"}, TargetInvalid),
        ({"cidr": "2001:db8::1"}, TargetInvalid),
        ({"image_id": "ami-x"}, TargetInvalid),
        ({"image_id": "ami-0123456789abcdef0"}, ImageUnknown),
        ({"fleet_slug": "gpu-none"}, ImageUnknown),
    ],
)
def test_what_cannot_be_launched_is_told_before(
    memory: MemoryCloud, wrong: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        plan(order(**wrong), memory.cloud)


def test_types_are_tried_in_turn_and_no_capacity_is_told(memory: MemoryCloud, reporter: Recorder) -> None:
    memory.machines.without_capacity = {"g5.xlarge"}
    assert apply(plan(ORDER, memory.cloud), memory.cloud, reporter).instance_type == "g6.xlarge"
    memory.machines.without_capacity |= {"g6.xlarge", "g4dn.xlarge"}
    with pytest.raises(NoCapacity):
        apply(plan(order(cidr="203.0.113.7"), memory.cloud), memory.cloud, reporter)
    assert memory.gates.opened == {}


def never_reachable(memory: MemoryCloud) -> None:
    memory.commands.is_never_reachable = True


def ends_at_once(memory: MemoryCloud) -> None:
    memory.machines.ends_at_once = True


def comfyui_is_silent(memory: MemoryCloud) -> None:
    memory.commands.programs["curl"] = say(code=7)


@pytest.mark.parametrize(
    ("fault", "error"),
    [(never_reachable, WaitTimedOut), (ends_at_once, StepFailed), (comfyui_is_silent, StepFailed)],
)
def test_a_launch_that_fails_leaves_nothing(
    memory: MemoryCloud, reporter: Recorder, fault: Any, error: type[Exception]
) -> None:
    fault(memory)
    with pytest.raises(error):
        apply(plan(order(cidr="203.0.113.7"), memory.cloud), memory.cloud, reporter)
    assert (memory.alive("dev-node"), memory.gates.opened) == ([], {})


@pytest.mark.parametrize("step", ["Launching", "Waiting for i-", "Waiting for ComfyUI"])
def test_an_interrupt_leaves_nothing(memory: MemoryCloud, step: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        apply(plan(order(cidr="203.0.113.7"), memory.cloud), memory.cloud, Recorder(step))
    assert (memory.alive("dev-node"), memory.gates.opened) == ([], {})


def test_only_dev_nodes_are_stopped_or_opened(memory: MemoryCloud) -> None:
    serving = memory.up()
    for wrong in (serving, "i-0123456789abcdef0"):
        with pytest.raises(TargetInvalid):
            plan_stop(wrong, memory.cloud)
    with pytest.raises(TargetInvalid):
        find_dev_node(memory.cloud, serving)


def test_a_disk_can_be_kept(memory: MemoryCloud, reporter: Recorder) -> None:
    node = apply(plan(order(keeps_disk=True), memory.cloud), memory.cloud, reporter)
    assert not memory.machines.launched[0].stops_itself
    apply_stop(plan_stop(node.instance_id, memory.cloud, keeps_disk=True), memory.cloud, reporter)
    assert [one.state for one in dev_nodes(memory.cloud)] == ["stopped"]


def test_the_forward_names_machine_ports_and_region() -> None:
    command = forward_command("i-0123456789abcdef0", "eu-central-1", 9000)
    assert command[:5] == ["aws", "ssm", "start-session", "--region", "eu-central-1"]
    assert command[-1] == '{"portNumber":["8188"],"localPortNumber":["9000"]}'


def test_only_an_open_node_hands_on_what_comes_from_outside() -> None:
    assert "comfyui-public" in user_data(8, is_public=True)
    assert "comfyui-public" not in user_data(8, is_public=False)
    assert "worker" not in user_data(8, is_public=True)


def test_a_role_of_its_own_takes_the_place_of_the_template(memory: MemoryCloud, reporter: Recorder) -> None:
    apply(plan(order(instance_profile="dev-node"), memory.cloud), memory.cloud, reporter)
    [new] = memory.machines.launched
    assert (new.template, new.instance_profile) == (None, "dev-node")
