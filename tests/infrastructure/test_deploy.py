"""`cdk bootstrap` and `cdk deploy --all` with the CDK's own command line, on an emulator of CloudFormation.

What the emulator lacks is a record only (see `cloudformation.py`), and of what it makes it leaves out some properties,
such as the rules by which objects of a bucket expire. What it has truly made is looked at here through its API.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import boto3
import pytest
from tests.infrastructure.conftest import ACCOUNT
from tests.infrastructure.emulator import REGION, ministack

from comfyfleet import names

ROOT: Final = Path(__file__).parents[2]
TOOLS: Final = ROOT / ".cache" / "cdk"
STAGE, FLEET, BASE = "staging", names.DEFAULT_FLEET, "ami-0123456789abcdef0"
OPTIONS: Final = ("--all", "--no-notices", "--require-approval", "never")
STACKS: Final = tuple(names.stack_name(STAGE, stack) for stack in ("data", "compute", "gpu"))


@dataclass(frozen=True)
class Account:
    """An account that is deployed into, by an operator in an empty folder; `tools` is where the CDK's program is."""

    endpoint: str
    folder: Path
    tools: Path
    left_by_failure: list[str] = field(default_factory=list)

    def client(self, service: str) -> Any:
        """Return a client of the account's owner."""
        return boto3.session.Session(ACCOUNT, "test", region_name=REGION).client(service, endpoint_url=self.endpoint)

    def cdk(self, *words: str, where: Path, is_to_fail: bool = False) -> str:
        """Run the CDK's command line to its end, good or bad; return what it said."""
        files = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull)
        keys = {"AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": REGION}
        quiet = dict.fromkeys(("CI", "CDK_DISABLE_CLI_TELEMETRY", "CDK_DISABLE_VERSION_CHECK"), "true")
        done = subprocess.run(
            [self.tools / "cdk", *words],
            cwd=where,
            env={**os.environ, **files, **keys, **quiet, "AWS_ENDPOINT_URL": self.endpoint},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) == is_to_fail, done.stdout
        return done.stdout

    def deploy(self, *, is_to_fail: bool = False) -> str:
        """Deploy all stacks, as the guide says, with an image that is in a registry; return what was said."""
        context = ("--context", f"stage={STAGE}", "--context", "image=registry.example/comfyfleet:1")
        where = ("--output", str(self.folder / "cdk.out"))
        return self.cdk("deploy", *context, *where, *OPTIONS, where=ROOT / "infrastructure", is_to_fail=is_to_fail)

    def deploy_again(self) -> str:
        """Deploy what was written by the last deploy, though nothing changed."""
        return self.cdk("deploy", "--app", str(self.folder / "cdk.out"), "--force", *OPTIONS, where=self.folder)

    def left(self) -> list[str]:
        """Return the buckets of the stage that there are."""
        return [one["Name"] for one in self.client("s3").list_buckets()["Buckets"] if one["Name"].startswith("bp-")]


def lacks(words: str) -> None:
    """Skip with these words; in CI, which sets REQUIRE_NODE, fail with them."""
    assert not os.environ.get("REQUIRE_NODE"), words
    pytest.skip(words)


@pytest.fixture(scope="module")
def tools() -> Path:
    """Return where the CDK's program is, at the version that infrastructure/package.json pins."""
    if shutil.which("npm") is None:
        lacks("There is no npm here, with which the CDK's command line is installed: nothing was deployed.")
    wanted = (ROOT / "infrastructure" / "package.json").read_text()
    kept = TOOLS / "package.json"
    if not (TOOLS / "node_modules" / ".bin" / "cdk").exists() or kept.read_text() != wanted:
        TOOLS.mkdir(parents=True, exist_ok=True)
        kept.write_text(wanted)
        quiet = ("--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error")
        if subprocess.run(["npm", "install", *quiet], cwd=TOOLS, check=False).returncode != 0:
            lacks("npm could not install the CDK's command line: nothing was deployed.")
    return TOOLS / "node_modules" / ".bin"


@pytest.fixture(scope="module")
def account(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An account in which all stacks were deployed, at the second try: at the first a quota was used up."""
    folder = tmp_path_factory.mktemp("account")
    settings = {
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        "FAILS_ONCE": "AWS::EC2::NatGateway",
    }
    program = ("python", Path(__file__).with_name("cloudformation.py"), f"{names.BASE_IMAGE_PARAMETER}={BASE}")
    with ministack(folder, settings, program) as endpoint:
        account = Account(endpoint, folder, tools)
        account.cdk("bootstrap", "--no-notices", f"aws://{ACCOUNT}/{REGION}", where=folder)
        said = account.deploy(is_to_fail=True)
        assert "maximum number of AWS::EC2::NatGateway" in said, said
        account.left_by_failure.extend(account.left())
        account.deploy_again()
        yield account


def parameter(account: Account, name: str) -> str:
    return str(account.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])


def test_all_three_stacks_are_deployed(account: Account) -> None:
    found = account.client("cloudformation").describe_stacks()["Stacks"]
    assert {one["StackName"]: one["StackStatus"] for one in found if one["StackName"] in STACKS} == dict.fromkeys(
        STACKS, "CREATE_COMPLETE"
    )


def test_a_first_deploy_that_fails_leaves_nothing_that_the_next_one_would_stumble_over(account: Account) -> None:
    assert account.left_by_failure == []
    assert len(account.left()) == 3


def test_a_deploy_leaves_nothing_in_the_checkout(account: Account) -> None:
    assert account.left()
    assert not (ROOT / "infrastructure" / "cdk.context.json").exists()


@pytest.mark.parametrize("name", [names.models_bucket, names.media_bucket, names.logs_bucket])
def test_the_buckets_are_there_private_encrypted_and_reached_by_tls(account: Account, name: Any) -> None:
    s3, bucket = account.client("s3"), name(ACCOUNT, STAGE)
    encryption = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert [one["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] for one in encryption] == ["AES256"]
    assert set(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values()) == {True}
    statements = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert {"Bool": {"aws:SecureTransport": "false"}} in [one.get("Condition") for one in statements]


def test_models_are_versioned_and_browsers_may_send_to_models_and_media(account: Account) -> None:
    s3 = account.client("s3")
    models, media, logs = (one(ACCOUNT, STAGE) for one in (names.models_bucket, names.media_bucket, names.logs_bucket))
    assert [s3.get_bucket_versioning(Bucket=one).get("Status") for one in (models, media)] == ["Enabled", None]
    for bucket in (models, media):
        [rule] = s3.get_bucket_cors(Bucket=bucket)["CORSRules"]
        assert ("PUT" in rule["AllowedMethods"], rule["ExposeHeaders"]) == (True, ["ETag"])
    with pytest.raises(s3.exceptions.ClientError, match="NoSuchCORSConfiguration"):
        s3.get_bucket_cors(Bucket=logs)


def test_the_parameters_are_there_as_the_contract_names_them(account: Account) -> None:
    assert {
        name: parameter(account, name)
        for name in ("/bp/staging/models/bucket", "/bp/staging/fleet-secret", "/bp/staging/app-key")
    } == {
        "/bp/staging/models/bucket": f"bp-models-{ACCOUNT}-staging",
        "/bp/staging/fleet-secret": names.SECRET_PLACEHOLDER,
        "/bp/staging/app-key": names.SECRET_PLACEHOLDER,
    }
    assert parameter(account, f"/bp/staging/fleets/{FLEET}/active_bundle") == "none"
    assert parameter(account, f"/bp/ami/fleets/staging/{FLEET}") == BASE


def test_the_fleet_has_its_template_group_hook_and_functions(account: Account) -> None:
    scaling, group = account.client("autoscaling"), f"asg-staging-{FLEET}"
    [found] = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"]
    assert (found["MinSize"], found["MaxSize"], found["DesiredCapacity"]) == (0, 4, 0)
    [hook] = scaling.describe_lifecycle_hooks(AutoScalingGroupName=group)["LifecycleHooks"]
    assert hook["LifecycleHookName"] == names.TERMINATION_HOOK
    version = account.client("ec2").describe_launch_template_versions(LaunchTemplateName=f"lt-staging-{FLEET}")
    data = version["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    assert data["ImageId"] == f"resolve:ssm:/bp/ami/fleets/staging/{FLEET}"
    functions = {one["FunctionName"] for one in account.client("lambda").list_functions()["Functions"]}
    assert {f"staging-{FLEET}-to-zero", f"staging-{FLEET}-to-on-demand"} <= functions
    [alarm] = account.client("cloudwatch").describe_alarms(AlarmNames=[f"staging-{FLEET}-queue-empty"])["MetricAlarms"]
    assert alarm["AlarmActions"][0].endswith(f":staging-{FLEET}-to-zero")


def test_the_database_and_the_control_plane_are_there(account: Account) -> None:
    [database] = account.client("rds").describe_db_instances()["DBInstances"]
    assert (database["Engine"], database["DBName"]) == ("postgres", "comfyfleet")
    ecs = account.client("ecs")
    [cluster] = ecs.list_clusters()["clusterArns"]
    [service] = ecs.list_services(cluster=cluster)["serviceArns"]
    task = ecs.describe_services(cluster=cluster, services=[service])["services"][0]["taskDefinition"]
    [container] = ecs.describe_task_definition(taskDefinition=task)["taskDefinition"]["containerDefinitions"]
    assert container["image"].startswith("registry.example/comfyfleet:")


def test_a_later_deploy_leaves_what_operators_and_bakes_have_set(account: Account) -> None:
    kept = {
        names.fleet_secret_parameter(STAGE): "a secret of the operator's",
        names.active_bundle_parameter(STAGE, FLEET): "bundles/5",
        names.image_parameter(STAGE, FLEET): "ami-0aaaaaaaaaaaaaaaa",
    }
    ssm = account.client("ssm")
    for name, value in kept.items():
        ssm.put_parameter(Name=name, Value=value, Type="String", Overwrite=True)
    account.deploy_again()
    assert {name: parameter(account, name) for name in kept} == kept
