"""`Commands` on Systems Manager. moto runs nothing and says that all succeeds, so the calls are checked one by one."""

import pytest
from botocore.stub import Stubber

from comfyfleet.cloud.aws.clients import make_client
from comfyfleet.cloud.aws.commands import SsmCommands
from comfyfleet.cloud.errors import MachineUnreachable
from comfyfleet.cloud.fleet_ports import CommandRun, CommandStatus

pytestmark = pytest.mark.usefixtures("aws")
WHICH = {"CommandId": "c" * 36, "InstanceId": "i-0123456789abcdef0"}


def invocation(status: str, code: int) -> dict[str, object]:
    return {"Status": status, "ResponseCode": code, "StandardOutputContent": "out", "StandardErrorContent": "err"}


def look(answer: dict[str, object]) -> CommandRun:
    client = make_client("ssm")
    with Stubber(client) as stub:
        stub.add_response("get_command_invocation", answer, WHICH)
        return SsmCommands("logs", client).look(WHICH["CommandId"], WHICH["InstanceId"])


def test_a_script_is_sent_whole_and_its_output_goes_to_the_logs() -> None:
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


def test_a_machine_without_an_agent_is_unreachable() -> None:
    client = make_client("ssm")
    with Stubber(client) as stub:
        stub.add_client_error("send_command", "InvalidInstanceId", "Instances not in a valid state", 400)
        with pytest.raises(MachineUnreachable):
            SsmCommands("logs", client).run(WHICH["InstanceId"], "true", comment="", timeout_seconds=1, log_prefix="x")


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        ("Pending", -1, (CommandStatus.PENDING, None)),
        ("InProgress", -1, (CommandStatus.RUNNING, None)),
        ("Success", 0, (CommandStatus.SUCCEEDED, 0)),
        ("Failed", 3, (CommandStatus.FAILED, 3)),
        ("TimedOut", -1, (CommandStatus.TIMED_OUT, None)),
        ("Cancelled", -1, (CommandStatus.CANCELED, None)),
    ],
)
def test_the_state_and_the_exit_code_are_those_of_the_script(
    status: str, code: int, expected: tuple[CommandStatus, int | None]
) -> None:
    run = look(invocation(status, code))
    assert (run.status, run.exit_code) == expected
    assert (run.output, run.error_output) == ("out", "err")


def test_a_command_that_is_not_known_yet_is_pending() -> None:
    client = make_client("ssm")
    with Stubber(client) as stub:
        stub.add_client_error("get_command_invocation", "InvocationDoesNotExist", "", 400)
        assert SsmCommands("logs", client).look(WHICH["CommandId"], WHICH["InstanceId"]).status.is_over is False


@pytest.mark.parametrize(("found", "expected"), [("Online", True), ("ConnectionLost", False), (None, False)])
def test_only_a_machine_whose_agent_is_online_is_reachable(found: str | None, expected: bool) -> None:
    client = make_client("ssm")
    answer = [{"InstanceId": WHICH["InstanceId"], "PingStatus": found}] if found else []
    with Stubber(client) as stub:
        stub.add_response("describe_instance_information", {"InstanceInformationList": answer})
        assert SsmCommands("logs", client).is_reachable(WHICH["InstanceId"]) is expected


def test_a_command_is_asked_to_end() -> None:
    client = make_client("ssm")
    wanted = {"CommandId": WHICH["CommandId"], "InstanceIds": [WHICH["InstanceId"]]}
    with Stubber(client) as stub:
        stub.add_response("cancel_command", {}, wanted)
        SsmCommands("logs", client).cancel(WHICH["CommandId"], WHICH["InstanceId"])
        stub.assert_no_pending_responses()
