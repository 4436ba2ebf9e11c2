"""Groups of machines that are local processes."""

import httpx
from lab.lab import Lab
from lab.machines import processes_of
from tests.lab.conftest import grow, members


def test_a_group_grows_protects_and_shrinks_and_ends_its_machines_processes(lab: Lab, group: str) -> None:
    first, second = grow(lab, group, 2)
    root = lab.machines.running[second].root
    scaling = lab.client("autoscaling")
    scaling.set_instance_protection(AutoScalingGroupName=group, InstanceIds=[first], ProtectedFromScaleIn=True)
    scaling.set_desired_capacity(AutoScalingGroupName=group, DesiredCapacity=0)
    lab.clock.forward(seconds=20)
    assert [one["InstanceId"] for one in members(lab, group)] == [first]
    assert processes_of(root) == []


def test_a_dead_machine_is_replaced(lab: Lab, group: str) -> None:
    (first,) = grow(lab, group, 1)
    lab.machines.end(first)
    lab.clock.forward(seconds=40)
    (found,) = members(lab, group)
    assert found["InstanceId"] != first
    assert found["LifecycleState"] == "InService"


def test_an_interrupted_machine_is_told_and_gone_two_minutes_later(lab: Lab, group: str) -> None:
    (first,) = grow(lab, group, 1)
    url = lab.machines.running[first].metadata.url
    lab.interrupt(first)
    assert '"action": "terminate"' in metadata(url, "meta-data/spot/instance-action")
    lab.clock.forward(seconds=115)
    assert first in lab.machines.running
    lab.clock.forward(seconds=10)
    assert first not in lab.machines.running


def test_metadata_asks_for_a_token_and_knows_the_machine(lab: Lab, group: str) -> None:
    (first,) = grow(lab, group, 1)
    url = lab.machines.running[first].metadata.url
    assert httpx.get(f"{url}/latest/meta-data/instance-id", timeout=60).status_code == 401
    assert metadata(url, "meta-data/instance-id") == first
    assert metadata(url, "meta-data/tags/instance/FleetSlug") == "gpu-default"
    assert metadata(url, "meta-data/autoscaling/target-lifecycle-state") == "InService"


def test_a_machine_waits_in_its_hook_until_it_goes_on_or_the_time_is_over(lab: Lab, group: str) -> None:
    scaling = lab.client("autoscaling")
    hook = {"AutoScalingGroupName": group, "LifecycleHookName": "drain"}
    scaling.put_lifecycle_hook(**hook, LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING", HeartbeatTimeout=300)
    first, second = grow(lab, group, 2)
    scaling.set_desired_capacity(AutoScalingGroupName=group, DesiredCapacity=0)
    lab.clock.forward(seconds=200)
    assert [one["LifecycleState"] for one in members(lab, group)] == ["Terminating:Wait"] * 2
    scaling.record_lifecycle_action_heartbeat(**hook, InstanceId=second)
    scaling.complete_lifecycle_action(**hook, InstanceId=first, LifecycleActionResult="CONTINUE")
    lab.clock.forward(seconds=120)
    assert [one["InstanceId"] for one in members(lab, group)] == [second]
    lab.clock.forward(seconds=200)
    assert members(lab, group) == []


def metadata(url: str, path: str) -> str:
    lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    token = httpx.put(f"{url}/latest/api/token", headers=lifetime, timeout=60).raise_for_status().text
    answer = httpx.get(f"{url}/latest/{path}", headers={"X-aws-ec2-metadata-token": token}, timeout=60)
    return answer.raise_for_status().text
