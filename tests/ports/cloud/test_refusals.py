"""What AWS refuses, in our words."""

import pytest
from botocore.stub import Stubber

from comfyfleet.cloud.aws.account import StsAccount
from comfyfleet.cloud.aws.clients import make_client, when_it_appears
from comfyfleet.cloud.aws.errors import AwsInvalid, AwsRefused, AwsUnavailable
from comfyfleet.cloud.aws.groups import AutoScalingGroups
from comfyfleet.core.errors import FleetError

pytestmark = pytest.mark.usefixtures("aws")


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("AccessDenied", 403, AwsRefused),
        ("UnauthorizedOperation", 403, AwsRefused),
        ("ExpiredToken", 400, AwsRefused),
        ("Throttling", 400, AwsUnavailable),
        ("InternalFailure", 500, AwsUnavailable),
        ("ValidationError", 400, AwsInvalid),
    ],
)
def test_each_refusal_is_of_the_kind_that_tells_what_to_do(code: str, status: int, expected: type[FleetError]) -> None:
    client = make_client("autoscaling")
    with Stubber(client) as stub:
        stub.add_client_error("describe_auto_scaling_groups", code, "No.", status)
        with pytest.raises(expected, match="No") as caught:
            AutoScalingGroups(client).find("asg-a")
    assert caught.value.hint


def test_without_keys_it_is_said_that_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    with pytest.raises(AwsRefused, match="credentials"):
        StsAccount().identity()


def test_what_appears_late_is_waited_for() -> None:
    client = make_client("ec2")
    pauses: list[float] = []
    with Stubber(client) as stub:
        for _ in range(2):
            stub.add_client_error("describe_images", "InvalidAMIID.NotFound", "", 400)
        stub.add_response("describe_images", {"Images": []})
        missing = frozenset({"InvalidAMIID.NotFound"})
        when_it_appears(client.describe_images, missing=missing, sleep=pauses.append)
    assert pauses == [1.0, 1.0]
