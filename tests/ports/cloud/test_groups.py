"""`Groups` on Auto Scaling. moto keeps the records of a group and honours no hook."""

import pytest
from botocore.stub import Stubber
from tests.ports.cloud.sites import HOOK_SECONDS, LAB, MEMORY, MOTO, Site, on

from comfyfleet import names
from comfyfleet.cloud.aws.clients import make_client
from comfyfleet.cloud.aws.groups import AutoScalingGroups
from comfyfleet.cloud.errors import CapacityInvalid, GroupNotFound

HOOK = names.TERMINATION_HOOK
everywhere = on(MEMORY, MOTO, LAB)


def lives(site: Site, group: str) -> dict[str, str]:
    return {one.instance_id: one.lifecycle for one in site.group(group).members}


@everywhere
def test_a_group_tells_its_bounds_and_members(site: Site, group: str) -> None:
    site.grow(group, 2)
    found = site.group(group)
    assert (found.name, found.minimum, found.maximum, found.desired, len(found.members)) == (group, 0, 3, 2, 2)
    assert {member.is_protected for member in found.members} == {False}
    assert {member.health for member in found.members} == {"Healthy"}


@everywhere
def test_a_group_that_is_not_there_is_none(site: Site) -> None:
    assert site.cloud.groups.find("asg-nothing") is None


@everywhere
def test_a_machine_knows_its_group(site: Site, group: str) -> None:
    (instance_id,) = site.grow(group, 1)
    assert site.cloud.groups.group_of(instance_id) == group
    assert site.cloud.groups.group_of("i-0123456789abcdef0") is None


@everywhere
def test_the_capacity_is_set_within_the_bounds_only(site: Site, group: str) -> None:
    site.grow(group, 2)
    site.cloud.groups.set_capacity(group, 0)
    site.forward(30)
    found = site.group(group)
    assert (found.desired, found.members) == (0, ())
    with pytest.raises(CapacityInvalid, match="4 machines"):
        site.cloud.groups.set_capacity(group, 4)
    with pytest.raises(GroupNotFound):
        site.cloud.groups.set_capacity("asg-nothing", 1)


@everywhere
def test_one_machine_is_protected_and_let_go(site: Site, group: str) -> None:
    first, second = site.grow(group, 2)
    for is_protected in (True, False):
        site.cloud.groups.protect(group, first, is_protected=is_protected)
        found = {one.instance_id: one.is_protected for one in site.group(group).members}
        assert found == {first: is_protected, second: False}


@on(MEMORY, LAB)
def test_a_protected_machine_is_not_the_one_that_goes(site: Site, group: str) -> None:
    first, _ = site.grow(group, 2)
    site.cloud.groups.protect(group, first, is_protected=True)
    site.cloud.groups.set_capacity(group, 1)
    site.forward(60)
    assert lives(site, group) == {first: "InService"}


@on(MEMORY, LAB)
def test_a_machine_that_goes_waits_in_its_hook_and_is_let_go(site: Site, group: str) -> None:
    site.hook(group)
    (instance_id,) = site.grow(group, 1)
    site.cloud.groups.set_capacity(group, 0)
    site.forward(HOOK_SECONDS - 60)
    assert lives(site, group) == {instance_id: "Terminating:Wait"}
    site.cloud.groups.extend_hook(group, HOOK, instance_id)
    site.forward(HOOK_SECONDS - 60)
    assert lives(site, group) == {instance_id: "Terminating:Wait"}
    site.cloud.groups.finish_hook(group, HOOK, instance_id)
    site.forward(30)
    assert lives(site, group) == {}
    machine = site.cloud.machines.find(instance_id)
    assert machine is None or machine.state == "terminated"


@on(MEMORY, LAB)
def test_a_machine_waits_in_its_hook_no_longer_than_the_hook_says(site: Site, group: str) -> None:
    site.hook(group)
    site.grow(group, 1)
    site.cloud.groups.set_capacity(group, 0)
    site.forward(HOOK_SECONDS + 60)
    assert lives(site, group) == {}


@on(MEMORY, LAB)
def test_a_machine_that_does_not_wait_in_a_hook_is_no_error(site: Site, group: str) -> None:
    site.hook(group)
    (instance_id,) = site.grow(group, 1)
    for _ in range(2):
        site.cloud.groups.finish_hook(group, HOOK, instance_id)
        site.cloud.groups.extend_hook(group, HOOK, instance_id)
    assert lives(site, group) == {instance_id: "InService"}


@pytest.mark.usefixtures("aws")
def test_a_waiting_machine_is_let_go_on_by_the_call_that_moto_only_pretends_to_honour() -> None:
    client, which = make_client("autoscaling"), {"AutoScalingGroupName": "a", "InstanceId": "i-1"}
    wanted = {**which, "LifecycleHookName": HOOK}
    with Stubber(client) as stub:
        stub.add_response("complete_lifecycle_action", {}, {**wanted, "LifecycleActionResult": "CONTINUE"})
        AutoScalingGroups(client).finish_hook("a", HOOK, "i-1")
        stub.add_response("record_lifecycle_action_heartbeat", {}, wanted)
        AutoScalingGroups(client).extend_hook("a", HOOK, "i-1")
        stub.assert_no_pending_responses()
