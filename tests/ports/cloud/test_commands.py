"""`Commands` on Systems Manager. moto runs nothing and says that all succeeds: there, only the calls are checked."""

import time

import pytest
from botocore.stub import Stubber
from lab.lab import Lab
from tests.ports.cloud.sites import LAB, MEMORY, Site, on
from tests.support.clouds.stage import ACCOUNT, STAGE

from comfyfleet import names
from comfyfleet.cloud.aws.clients import make_client
from comfyfleet.cloud.aws.commands import SsmCommands
from comfyfleet.cloud.errors import MachineUnreachable
from comfyfleet.cloud.fleet_ports import CommandRun, CommandStatus

WHICH = {"CommandId": "c" * 36, "InstanceId": "i-0123456789abcdef0"}
everywhere = on(MEMORY, LAB)


def start(site: Site, instance_id: str, script: str, seconds: int = 600) -> str:
    return site.cloud.commands.run(
        instance_id, script, comment="a test", timeout_seconds=seconds, log_prefix=f"asset-sync/{instance_id}"
    )


def end(site: Site, command_id: str, instance_id: str) -> CommandRun:
    """Return what became of a command; scripts run in real time everywhere."""
    deadline = time.monotonic() + 60
    while not (run := site.cloud.commands.look(command_id, instance_id)).status.is_over:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return run


def run(site: Site, instance_id: str, script: str) -> CommandRun:
    return end(site, start(site, instance_id, script), instance_id)


@everywhere
def test_a_script_runs_on_its_machine_with_its_own_disk(site: Site, stage: str) -> None:
    first, second = (site.launch(stage, name=name).instance_id for name in ("first", "second"))
    written = run(site, first, "mkdir -p /opt\necho model >/opt/file\necho wrong >&2\nexit 7\n")
    assert (written.status, written.exit_code, written.error_output) == (CommandStatus.FAILED, 7, "wrong\n")
    read = run(site, first, "cat /opt/file")
    assert (read.status, read.exit_code, read.output) == (CommandStatus.SUCCEEDED, 0, "model\n")
    assert run(site, second, "cat /opt/file").status is CommandStatus.FAILED


@everywhere
def test_only_the_beginning_of_a_long_output_is_shown(site: Site, stage: str) -> None:
    instance_id = site.launch(stage).instance_id
    found = run(site, instance_id, "head -c 30000 /dev/zero | tr '\\0' x; head -c 9000 /dev/zero | tr '\\0' y >&2")
    assert (found.output, found.error_output) == ("x" * 24_000, "y" * 8_000)


@everywhere
def test_a_script_that_is_cancelled_or_takes_too_long_has_no_exit_code(site: Site, stage: str) -> None:
    instance_id = site.launch(stage).instance_id
    slow, late = start(site, instance_id, "sleep 600"), start(site, instance_id, "sleep 600", seconds=1)
    assert site.cloud.commands.look(slow, instance_id).status is CommandStatus.RUNNING
    site.cloud.commands.cancel(slow, instance_id)
    canceled, timed_out = end(site, slow, instance_id), end(site, late, instance_id)
    assert (canceled.status, canceled.exit_code) == (CommandStatus.CANCELED, None)
    assert (timed_out.status, timed_out.exit_code) == (CommandStatus.TIMED_OUT, None)


@everywhere
def test_a_script_that_is_over_cannot_be_cancelled_any_more(site: Site, stage: str) -> None:
    instance_id = site.launch(stage).instance_id
    command_id = start(site, instance_id, "true")
    before = end(site, command_id, instance_id)
    site.cloud.commands.cancel(command_id, instance_id)
    assert end(site, command_id, instance_id) == before


@everywhere
def test_a_command_that_is_not_known_yet_is_pending(site: Site, stage: str) -> None:
    instance_id = site.launch(stage).instance_id
    assert site.cloud.commands.look("c" * 36, instance_id).status is CommandStatus.PENDING


@everywhere
def test_a_machine_that_ended_takes_no_script(site: Site, stage: str) -> None:
    instance_id = site.launch(stage).instance_id
    assert site.cloud.commands.is_reachable(instance_id)
    site.cloud.machines.terminate(instance_id)
    site.forward(60)
    assert not site.cloud.commands.is_reachable(instance_id)
    for one in (instance_id, "i-0123456789abcdef0"):
        with pytest.raises(MachineUnreachable):
            start(site, one, "true")


@everywhere
def test_a_machine_that_is_stopped_takes_no_script(site: Site, stage: str) -> None:
    instance_id = site.launch(stage).instance_id
    site.cloud.machines.stop(instance_id)
    assert not site.cloud.commands.is_reachable(instance_id)
    with pytest.raises(MachineUnreachable):
        start(site, instance_id, "true")


@on(LAB)
def test_the_whole_output_is_kept_in_the_logs(site: Site, stage: str, lab: Lab) -> None:
    instance_id = site.launch(stage).instance_id
    run(site, instance_id, "head -c 30000 /dev/zero | tr '\\0' x; echo wrong >&2")
    s3, bucket = site.client("s3"), names.logs_bucket(ACCOUNT, STAGE)
    kept = s3.list_objects_v2(Bucket=bucket, Prefix=f"asset-sync/{instance_id}/")["Contents"]
    assert {one["Key"].rpartition("/")[2]: one["Size"] for one in kept} == {"stdout": 30_000, "stderr": 6}


@pytest.mark.usefixtures("aws")
def test_a_script_is_sent_whole_by_the_call_that_moto_only_pretends_to_do() -> None:
    client = make_client("ssm")
    wanted = {
        "InstanceIds": [WHICH["InstanceId"]],
        "DocumentName": "AWS-RunShellScript",
        "Comment": "Apply a bundle",
        "TimeoutSeconds": 120,
        "Parameters": {"commands": ["set -eu", "echo hello"], "executionTimeout": ["60"]},
        "OutputS3BucketName": "logs",
        "OutputS3KeyPrefix": "asset-sync/staging/i-1",
    }
    with Stubber(client) as stub:
        stub.add_response("send_command", {"Command": {"CommandId": WHICH["CommandId"]}}, wanted)
        command_id = SsmCommands("logs", client).run(
            WHICH["InstanceId"],
            "set -eu\necho hello\n",
            comment="Apply a bundle",
            timeout_seconds=60,
            log_prefix="asset-sync/staging/i-1",
        )
    assert command_id == WHICH["CommandId"]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("Pending", CommandStatus.PENDING),
        ("Delayed", CommandStatus.PENDING),
        ("Cancelling", CommandStatus.RUNNING),
    ],
)
@pytest.mark.usefixtures("aws")
def test_states_that_pass_by_too_fast_for_any_emulator_are_known(status: str, expected: CommandStatus) -> None:
    client = make_client("ssm")
    answer = {"Status": status, "ResponseCode": -1, "StandardOutputContent": "", "StandardErrorContent": ""}
    with Stubber(client) as stub:
        stub.add_response("get_command_invocation", answer, WHICH)
        found = SsmCommands("logs", client).look(WHICH["CommandId"], WHICH["InstanceId"])
    assert (found.status, found.exit_code) == (expected, None)


@pytest.mark.usefixtures("aws")
def test_a_machine_whose_agent_was_lost_is_not_reachable_though_no_emulator_loses_one() -> None:
    client = make_client("ssm")
    answer = [{"InstanceId": WHICH["InstanceId"], "PingStatus": "ConnectionLost"}]
    with Stubber(client) as stub:
        stub.add_response("describe_instance_information", {"InstanceInformationList": answer})
        assert SsmCommands("logs", client).is_reachable(WHICH["InstanceId"]) is False
