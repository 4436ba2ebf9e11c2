"""AWS's adapters on the lab: what moto keeps records of and does not do is done here."""

import base64
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from lab.lab import Lab
from lab.server import PRETENDED

from comfyfleet.cloud.aws.clients import make_client
from comfyfleet.cloud.aws.commands import SsmCommands
from comfyfleet.cloud.aws.groups import AutoScalingGroups
from comfyfleet.cloud.aws.images import Ec2Images
from comfyfleet.cloud.aws.machines import Ec2Machines
from comfyfleet.cloud.aws.rolls import InstanceRefreshes
from comfyfleet.cloud.errors import MachineUnreachable, RollRunning
from comfyfleet.cloud.fleet_ports import (
    CommandRun,
    CommandStatus,
    ImageState,
    MachineState,
    Member,
    NewMachine,
    RollChoices,
    RollStatus,
)

LOGS, GROUP, HOOK = "bp-logs-lab", "asg-adapters", "drain"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab")) as running:
        s3 = running.client("s3")
        s3.create_bucket(Bucket=LOGS, CreateBucketConfiguration={"LocationConstraint": running.region})
        data = {"ImageId": running.base_image_id, "InstanceType": "g5.xlarge"}
        data["UserData"] = base64.b64encode(b"#!/bin/sh\nexit 0\n").decode()
        running.client("ec2").create_launch_template(LaunchTemplateName="lt-adapters", LaunchTemplateData=data)
        scaling = running.client("autoscaling")
        scaling.create_auto_scaling_group(
            AutoScalingGroupName=GROUP,
            MinSize=0,
            MaxSize=3,
            AvailabilityZones=["eu-central-1a"],
            LaunchTemplate={"LaunchTemplateName": "lt-adapters", "Version": "$Latest"},
        )
        scaling.put_lifecycle_hook(
            AutoScalingGroupName=GROUP,
            LifecycleHookName=HOOK,
            LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
            HeartbeatTimeout=600,
        )
        yield running


@pytest.fixture
def lab(shared: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """Point boto3 to the lab, whose group is empty before and after."""
    for name, value in shared.environment().items():
        monkeypatch.setenv(name, value)
    yield shared
    groups = AutoScalingGroups()
    groups.set_capacity(GROUP, 0)
    shared.clock.forward(seconds=10)
    for member in members():
        groups.finish_hook(GROUP, HOOK, member.instance_id)
    shared.clock.forward(seconds=10)
    assert members() == []


def launch(lab: Lab, token: str) -> str:
    new = NewMachine("one", lab.base_image_id, ("g5.xlarge",), {"Owner": "tests"})
    return Ec2Machines().launch(new, token=token).instance_id


def grow(lab: Lab, count: int) -> list[str]:
    AutoScalingGroups().set_capacity(GROUP, count)
    lab.clock.forward(seconds=30)
    return [member.instance_id for member in members()]


def members() -> list[Member]:
    found = AutoScalingGroups().find(GROUP)
    assert found is not None
    return list(found.members)


def end_of(commands: SsmCommands, command_id: str, instance_id: str) -> CommandRun:
    deadline = time.monotonic() + 60
    while not (run := commands.look(command_id, instance_id)).status.is_over:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return run


def test_a_script_runs_on_its_machine_and_its_output_is_kept(lab: Lab) -> None:
    commands, instance_id = SsmCommands(LOGS), launch(lab, "a")
    command_id = commands.run(
        instance_id, "pwd\necho wrong >&2\nexit 7", comment="", timeout_seconds=60, log_prefix="asset-sync/x"
    )
    run = end_of(commands, command_id, instance_id)
    assert (run.status, run.exit_code) == (CommandStatus.FAILED, 7)
    assert (Path(run.output.strip()), run.error_output) == (lab.machines.running[instance_id].root, "wrong\n")
    kept = lab.client("s3").list_objects_v2(Bucket=LOGS, Prefix="asset-sync/x/")["Contents"]
    assert sorted(one["Key"].rpartition("/")[2] for one in kept) == ["stderr", "stdout"]


def test_a_script_that_is_cancelled_or_takes_too_long_has_no_exit_code(lab: Lab) -> None:
    commands, instance_id = SsmCommands(LOGS), launch(lab, "b")
    command_id = commands.run(instance_id, "sleep 600", comment="", timeout_seconds=600, log_prefix="asset-sync/x")
    assert commands.look(command_id, instance_id).status is CommandStatus.RUNNING
    commands.cancel(command_id, instance_id)
    assert end_of(commands, command_id, instance_id).status is CommandStatus.CANCELED
    command_id = commands.run(instance_id, "sleep 600", comment="", timeout_seconds=1, log_prefix="asset-sync/x")
    assert end_of(commands, command_id, instance_id).status is CommandStatus.TIMED_OUT


def test_a_machine_that_ended_takes_no_script(lab: Lab) -> None:
    commands, machines, instance_id = SsmCommands(LOGS), Ec2Machines(), launch(lab, "c")
    assert commands.is_reachable(instance_id)
    machines.terminate(instance_id)
    machines.terminate(instance_id)
    found = machines.find(instance_id)
    assert found is None or found.state is MachineState.TERMINATED
    assert not commands.is_reachable(instance_id)
    with pytest.raises(MachineUnreachable):
        commands.run(instance_id, "true", comment="", timeout_seconds=60, log_prefix="asset-sync/x")


def test_the_same_launch_again_is_the_same_machine(lab: Lab) -> None:
    before = set(lab.machines.running)
    assert launch(lab, "d") == launch(lab, "d")
    assert len(set(lab.machines.running) - before) == 1


def test_an_image_has_what_was_on_the_machine(lab: Lab) -> None:
    commands, images, instance_id = SsmCommands(LOGS), Ec2Images(), launch(lab, "e")
    command_id = commands.run(
        instance_id, "mkdir -p /opt; echo model > /opt/file", comment="", timeout_seconds=60, log_prefix="asset-sync/x"
    )
    assert end_of(commands, command_id, instance_id).exit_code == 0
    image_id = images.create(instance_id, "an-image", {"Stage": "lab"})
    found = images.find(image_id)
    assert found is not None
    assert found.state is ImageState.AVAILABLE
    copy = Ec2Machines().launch(NewMachine("two", image_id, ("g5.xlarge",), {}), token="f").instance_id
    assert (lab.machines.running[copy].root / "opt/file").read_text() == "model\n"


def test_a_machine_that_goes_waits_for_the_hook_and_is_let_go(lab: Lab) -> None:
    groups, [instance_id] = AutoScalingGroups(), grow(lab, 1)
    groups.set_capacity(GROUP, 0)
    lab.clock.forward(minutes=9)
    groups.extend_hook(GROUP, HOOK, instance_id)
    lab.clock.forward(minutes=9)
    assert [one.lifecycle for one in members()] == ["Terminating:Wait"]
    groups.finish_hook(GROUP, HOOK, instance_id)
    lab.clock.forward(minutes=1)
    assert members() == []
    groups.finish_hook(GROUP, HOOK, instance_id)


def test_a_protected_machine_is_not_the_one_that_goes(lab: Lab) -> None:
    groups, (first, second) = AutoScalingGroups(), grow(lab, 2)
    groups.protect(GROUP, first, is_protected=True)
    groups.set_capacity(GROUP, 1)
    lab.clock.forward(minutes=1)
    assert {one.instance_id: one.lifecycle for one in members()} == {
        first: "InService",
        second: "Terminating:Wait",
    }
    groups.protect(GROUP, first, is_protected=False)


def test_a_roll_waits_at_its_checkpoint_and_replaces_all(lab: Lab) -> None:
    rolls, old = InstanceRefreshes(), grow(lab, 2)
    roll_id = rolls.start(GROUP, RollChoices(warmup_seconds=60, checkpoints=(50, 100), checkpoint_seconds=1200))
    with pytest.raises(RollRunning):
        rolls.start(GROUP, RollChoices())
    until(lambda: state(rolls, roll_id) == (RollStatus.RUNNING, 50), lab)
    lab.clock.forward(minutes=15)
    assert state(rolls, roll_id) == (RollStatus.RUNNING, 50)
    until(lambda: state(rolls, roll_id) == (RollStatus.SUCCEEDED, 100), lab)
    assert not {one.instance_id for one in members()} & set(old)


def test_a_cancelled_roll_ends_and_another_may_begin(lab: Lab) -> None:
    rolls, _ = InstanceRefreshes(), grow(lab, 1)
    first = rolls.start(GROUP, RollChoices())
    rolls.cancel(GROUP)
    until(lambda: state(rolls, first)[0] is RollStatus.CANCELED, lab)
    rolls.cancel(GROUP)
    second = rolls.start(GROUP, RollChoices(warmup_seconds=0))
    until(lambda: state(rolls, second)[0] is RollStatus.SUCCEEDED, lab)


def state(rolls: InstanceRefreshes, roll_id: str) -> tuple[RollStatus, int]:
    found = rolls.look(GROUP, roll_id)
    assert found is not None
    return found.status, found.percent


def until(is_so: Callable[[], bool], lab: Lab) -> None:
    for _ in range(120):
        if is_so():
            return
        lab.clock.forward(minutes=0.5)
    raise AssertionError("it did not come about in a simulated hour")


@pytest.mark.parametrize("name", sorted(PRETENDED))
def test_what_moto_only_pretends_to_do_is_refused(lab: Lab, name: str) -> None:
    service, action = name.split(":")
    method = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in action).lstrip("_")
    with pytest.raises(ClientError, match="NotSimulated"):
        getattr(make_client(service), method)(**REQUIRED[action])


REQUIRED: dict[str, dict[str, Any]] = {
    "RequestSpotFleet": {"SpotFleetRequestConfig": {"IamFleetRole": "r", "TargetCapacity": 1}},
    "CreateFleet": {
        "LaunchTemplateConfigs": [],
        "TargetCapacitySpecification": {"TotalTargetCapacity": 1},
    },
    "RequestSpotInstances": {},
    "SendDiagnosticInterrupt": {"InstanceId": "i-0123456789abcdef0"},
    "StartAutomationExecution": {"DocumentName": "AWS-RunShellScript"},
    "StartSession": {"Target": "i-0123456789abcdef0"},
    "CreateAssociation": {"Name": "AWS-RunShellScript"},
}
