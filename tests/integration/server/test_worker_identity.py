"""A machine proves which one it is: the document that AWS signs, the account, the region, and its fleet's group."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from lab.metadata import Signer
from tests.support.control_plane import FLEET, FLEET_SECRET, ControlPlane, running_control_plane

from comfyfleet import names
from comfyfleet.cloud.aws.errors import AwsUnavailable
from comfyfleet.server.settings import ServerSettings, ServerSettingsInvalid
from comfyfleet.server.workers.identity import read_certificates

ACCOUNT, REGION, MACHINE = "123456789012", "us-east-1", "i-0123456789abcdef0"
SIGNER = Signer()


def identity(signer: Signer = SIGNER, **changes: str) -> str:
    """Return a signed document."""
    document = {"instanceId": MACHINE, "accountId": ACCOUNT, "region": REGION, **changes}
    return signer.pages(json.dumps(document))["dynamic/instance-identity/rsa2048"]


@dataclass
class OneGroup:
    """The groups of a cloud, of which one is asked after; see `Groups`."""

    members: dict[str, str] = field(default_factory=dict)
    is_away: bool = False

    def group_of(self, instance_id: str) -> str | None:
        if self.is_away:
            raise AwsUnavailable("AWS does not answer.")
        return self.members.get(instance_id)


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    certificates = tmp_path / "certificates"
    certificates.mkdir()
    for name, signer in (("eu-west-1", Signer()), (REGION, SIGNER)):
        (certificates / f"{name}.pem").write_text(signer.certificate_pem)
    return {
        "worker_identity_check": "signature",
        "aws_account_id": ACCOUNT,
        "aws_identity_certificates": certificates,
        "aws_default_region": REGION,
    }


@pytest.fixture
async def checking(database_url: str, tmp_path: Path, settings: dict[str, Any]) -> AsyncIterator[ControlPlane]:
    """A control plane that checks signatures."""
    async with running_control_plane(database_url, tmp_path, **settings) as control_plane:
        yield control_plane


@pytest.fixture
def groups(checking: ControlPlane) -> OneGroup:
    """Let the control plane ask for the group, too; it finds our machine in the fleet's."""
    groups = OneGroup({MACHINE: names.group_name("local", FLEET)})
    checking.wiring.settings.worker_identity_check = "group"
    checking.wiring.groups = groups  # type: ignore[assignment]  # one method of the port is asked for
    return groups


async def register(control_plane: ControlPlane, secret: str = FLEET_SECRET, **fields: Any) -> httpx.Response:
    body = {"worker_id": MACHINE, "fleet_slug": FLEET, "identity": identity(), **fields}
    async with httpx.AsyncClient(base_url=control_plane.url, timeout=60) as http:
        return await http.post("/api/worker/register", json=body, headers={names.FLEET_SECRET_HEADER: secret})


def code_of(answer: httpx.Response) -> str:
    assert answer.status_code in {401, 403}, answer.text
    return str(answer.json()["error"]["code"])


async def test_a_machine_of_ours_is_let_in_and_again_after_a_reboot(checking: ControlPlane) -> None:
    first, second = await register(checking), await register(checking)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["data"]["token"] != second.json()["data"]["token"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"identity": None}, "shows no identity document"),
        ({"identity": "no envelope"}, "no signed envelope"),
        ({"identity": identity(Signer())}, "None of the certificates"),
        ({"identity": identity(accountId="999999999999")}, "account 999999999999"),
        ({"identity": identity(region="eu-west-1")}, "is in eu-west-1"),
        ({"identity": identity(instanceId="i-0fedcba9876543210")}, "is of i-0fedcba9876543210"),
        ({"worker_id": "i-0fedcba9876543210"}, f"is of {MACHINE}"),
    ],
)
async def test_whoever_does_not_prove_it_is_refused_and_told_why(
    checking: ControlPlane, caplog: pytest.LogCaptureFixture, fields: dict[str, Any], said: str
) -> None:
    answer = await register(checking, **fields)
    assert code_of(answer) == "identity_refused"
    assert said in answer.json()["message"]
    assert said in caplog.text
    async with checking.client() as operator:
        assert (await operator.get("/api/workers")).json()["data"]["items"] == []


async def test_a_document_does_not_stand_for_the_fleet_secret(checking: ControlPlane) -> None:
    assert code_of(await register(checking, secret="a-wrong-fleet-secret")) == "fleet_secret_wrong"


async def test_a_machine_has_to_be_in_its_fleets_group(checking: ControlPlane, groups: OneGroup) -> None:
    assert (await register(checking)).status_code == 200
    groups.members[MACHINE] = "asg-local-another"
    assert code_of(await register(checking)) == "identity_refused"
    groups.members.clear()
    answer = await register(checking)
    assert f"{MACHINE} is not in the group asg-local-gpu-default" in answer.json()["message"]


async def test_a_cloud_that_is_away_is_no_refusal(checking: ControlPlane, groups: OneGroup) -> None:
    groups.is_away = True
    assert (await register(checking)).status_code == 503


async def test_without_the_check_nobody_is_asked(control_plane: ControlPlane) -> None:
    assert (await register(control_plane, identity=None)).status_code == 200
    assert (await register(control_plane, identity="anything")).status_code == 200


def test_a_check_that_cannot_be_made_is_a_wrong_setting(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    required = {"database_url": "postgresql://x/y", "app_key": "0123456789abcdef", "comfyui_fleet_secret": FLEET_SECRET}
    for name, value in {**required, **settings}.items():
        monkeypatch.setenv(name.upper(), str(value))
    assert ServerSettings.load().worker_identity_check == "signature"
    monkeypatch.setenv("WORKER_IDENTITY_CHECK", "group")
    with pytest.raises(ServerSettingsInvalid, match="CLOUD=aws"):
        ServerSettings.load()
    monkeypatch.setenv("WORKER_IDENTITY_CHECK", "signature")
    with pytest.raises(ServerSettingsInvalid, match="AWS_IDENTITY_CERTIFICATES"):
        read_certificates(Path("/nowhere"))
    monkeypatch.delenv("AWS_ACCOUNT_ID")
    with pytest.raises(ServerSettingsInvalid, match="AWS_ACCOUNT_ID"):
        ServerSettings.load()
