"""What a machine's own policy forbids, tried on an emulator that enforces policies."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.infrastructure.conftest import ACCOUNT, Assembly, Template
from tests.infrastructure.emulator import REGION, ministack

from comfyfleet import names

FLEET, OTHER = "gpu-default", "gpu-other"
DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}


@dataclass(frozen=True)
class Accounts:
    """Clients of the account's owner, of a machine, and of the control plane."""

    endpoint: str
    keys: tuple[str, str]
    machine: tuple[str, str] = ("", "")
    control_plane: tuple[str, str] = ("", "")

    def owner(self, service: str) -> Any:
        """Return a client that may do everything."""
        return self._client(service, self.keys)

    def of_machine(self, service: str) -> Any:
        """Return a client that may do what a machine may."""
        return self._client(service, self.machine)

    def of_control_plane(self, service: str) -> Any:
        """Return a client that may do what the control plane may."""
        return self._client(service, self.control_plane)

    def _client(self, service: str, keys: tuple[str, str]) -> Any:
        return boto3.session.Session(*keys, region_name=REGION).client(
            service, endpoint_url=self.endpoint, config=Config(retries={"total_max_attempts": 1})
        )


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run ministack, which enforces policies when it is told to."""
    with ministack(tmp_path_factory.mktemp("ministack"), {"AUTH": "true"}) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def accounts(emulator: str, assembly: Assembly, stage: str) -> Accounts:
    """Return an account with two fleets' things in it, and a machine of one of them with its policy of the template."""
    owner = Accounts(emulator, (ACCOUNT, "test"))
    ssm, s3 = owner.owner("ssm"), owner.owner("s3")
    for slug in (FLEET, OTHER):
        for name in (names.active_bundle_parameter(stage, slug), names.image_parameter(stage, slug)):
            ssm.put_parameter(Name=name, Value="none", Type="String", Overwrite=True)
    for name in (names.fleet_secret_parameter(stage), names.app_key_parameter(stage), "/bp/else/fleet-secret"):
        ssm.put_parameter(Name=name, Value="a secret", Type="String", Overwrite=True)
    for bucket in (names.models_bucket, names.media_bucket, names.logs_bucket):
        s3.create_bucket(Bucket=bucket(ACCOUNT, stage), CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket=names.models_bucket(ACCOUNT, stage), Key="assets/lora/a", Body=b"a")
    s3.put_object(Bucket=names.media_bucket(ACCOUNT, stage), Key="tenants/a/uploads/b/c.mp4", Body=b"a")
    machine = _keys(owner, f"machine-{stage}", _policy(assembly.gpu, "FleetgpudefaultRole"))
    control_plane = _keys(owner, f"control-plane-{stage}", _policy(assembly.compute, "TaskTaskRole"))
    return Accounts(emulator, owner.keys, machine, control_plane)


def _policy(template: Template, role: str) -> dict[str, Any]:
    """Return the policy of a role as the template has it."""
    roles = [name for name, one in template.resources.items() if name.startswith(role) and "Policy" in one["Type"]]
    assert len(roles) == 1
    document: dict[str, Any] = template.resources[roles[0]]["Properties"]["PolicyDocument"]
    return document


def _keys(owner: Accounts, user: str, policy: dict[str, Any]) -> tuple[str, str]:
    """Make somebody with a policy; return the two parts of a key."""
    iam = owner.owner("iam")
    iam.create_user(UserName=user)
    iam.put_user_policy(UserName=user, PolicyName="own", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def test_a_machine_reads_what_it_needs(accounts: Accounts, stage: str) -> None:
    ssm, s3 = accounts.of_machine("ssm"), accounts.of_machine("s3")
    for name in (names.active_bundle_parameter(stage, FLEET), names.fleet_secret_parameter(stage)):
        assert ssm.get_parameter(Name=name)["Parameter"]["Value"]
    assert s3.get_object(Bucket=names.models_bucket(ACCOUNT, stage), Key="assets/lora/a")["Body"].read() == b"a"
    key = f"{names.sync_log_prefix(stage, 'i-1')}/apply.log"
    s3.put_object(Bucket=names.logs_bucket(ACCOUNT, stage), Key=key, Body=b"a line")


def test_a_machine_reads_no_other_fleets_pointer_nor_secret(accounts: Accounts, stage: str) -> None:
    ssm = accounts.of_machine("ssm")
    for name in (
        names.active_bundle_parameter(stage, OTHER),
        names.app_key_parameter(stage),
        "/bp/else/fleet-secret",
    ):
        assert denied(lambda name=name: ssm.get_parameter(Name=name)), name


def test_a_machine_points_no_fleet_anywhere(accounts: Accounts, stage: str) -> None:
    name = names.active_bundle_parameter(stage, FLEET)
    ssm = accounts.of_machine("ssm")
    assert denied(lambda: ssm.put_parameter(Name=name, Value="bundles/x", Overwrite=True))


def test_a_machine_writes_no_model(accounts: Accounts, stage: str) -> None:
    s3, bucket = accounts.of_machine("s3"), names.models_bucket(ACCOUNT, stage)
    assert denied(lambda: s3.put_object(Bucket=bucket, Key="assets/lora/a", Body=b"b"))
    assert denied(lambda: s3.delete_object(Bucket=bucket, Key="assets/lora/a"))


def test_a_machine_reads_no_media(accounts: Accounts, stage: str) -> None:
    s3, bucket = accounts.of_machine("s3"), names.media_bucket(ACCOUNT, stage)
    assert denied(lambda: s3.get_object(Bucket=bucket, Key="tenants/a/uploads/b/c.mp4"))


def test_a_machine_reads_no_log(accounts: Accounts, stage: str) -> None:
    s3, bucket = accounts.of_machine("s3"), names.logs_bucket(ACCOUNT, stage)
    assert denied(lambda: s3.get_object(Bucket=bucket, Key=f"asset-sync/{stage}/i-1/apply.log"))


def test_a_machine_touches_no_other_group(accounts: Accounts, stage: str) -> None:
    scaling = accounts.of_machine("autoscaling")
    assert denied(
        lambda: scaling.set_instance_protection(
            AutoScalingGroupName=names.group_name(stage, OTHER), InstanceIds=["i-1"], ProtectedFromScaleIn=True
        )
    )


def test_the_control_plane_points_its_own_fleets_to_bundles_and_images(accounts: Accounts, stage: str) -> None:
    ssm = accounts.of_control_plane("ssm")
    for name in (names.active_bundle_parameter, names.image_parameter):
        own, other = name(stage, FLEET), name(stage, OTHER)
        assert ssm.get_parameter(Name=own)["Parameter"]["Value"]
        ssm.put_parameter(Name=own, Value="none", Overwrite=True)
        assert denied(lambda name=other: ssm.get_parameter(Name=name)), other
        assert denied(lambda name=other: ssm.put_parameter(Name=name, Value="x", Overwrite=True)), other


def test_the_control_plane_reads_no_secret_by_its_parameter(accounts: Accounts, stage: str) -> None:
    ssm = accounts.of_control_plane("ssm")
    for name in (names.fleet_secret_parameter(stage), names.app_key_parameter(stage), "/bp/else/fleet-secret"):
        assert denied(lambda name=name: ssm.get_parameter(Name=name)), name


def test_the_control_plane_rolls_its_own_groups_alone(accounts: Accounts, stage: str) -> None:
    scaling = accounts.of_control_plane("autoscaling")
    assert denied(lambda: scaling.start_instance_refresh(AutoScalingGroupName=names.group_name(stage, OTHER)))
    assert denied(lambda: scaling.start_instance_refresh(AutoScalingGroupName=names.group_name("another", FLEET)))


def test_the_control_plane_may_not_act_on_machines_without_tags(accounts: Accounts) -> None:
    """The emulator knows no tags in conditions, and denies what has one: `test_operating` asserts the conditions."""
    ec2 = accounts.of_control_plane("ec2")
    assert denied(lambda: ec2.terminate_instances(InstanceIds=["i-0123456789abcdef0"]))
    assert denied(lambda: ec2.stop_instances(InstanceIds=["i-0123456789abcdef0"]))


def denied(call: Any) -> bool:
    """Tell whether a call is refused by a policy."""
    try:
        call()
    except ClientError as error:
        if error.response["Error"]["Code"] not in DENIED:
            raise
        return True
    return False
