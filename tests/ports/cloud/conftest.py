"""The clouds that the suites of this folder run on, each made once: see `sites`."""

import base64
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from lab.lab import Lab
from lab.moto_gaps import fill
from moto.server import ThreadedMotoServer
from tests.ports.cloud.sites import HOOK_SECONDS, TYPE, Site, Target, nothing
from tests.support.clouds.fleet import MemoryCloud
from tests.support.clouds.stage import ACCOUNT, GROUP, STAGE

from comfyfleet import names
from comfyfleet.cloud.aws.clients import make_client
from comfyfleet.cloud.local.account import LocalAccount
from comfyfleet.cloud.local.figures import DiskFigures
from comfyfleet.cloud.local.parameters import DiskParameters
from comfyfleet.ops.wiring import aws_cloud

REGION = "eu-central-1"
USER_DATA = "#!/bin/sh\nexit 0\n"


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    """Run moto's server."""
    fill()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Run a lab, whose time stands still unless a test lets it go forward."""
    with Lab(tmp_path_factory.mktemp("lab")) as running:
        bucket = names.logs_bucket(ACCOUNT, STAGE)
        location = {"LocationConstraint": running.region}
        running.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration=location)
        yield running


@pytest.fixture
def aws(moto_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Point boto3 to moto, as an operator points it to an emulator; return the endpoint."""
    for name, value in _environment(moto_server).items():
        monkeypatch.setenv(name, value)
    return moto_server


@pytest.fixture(scope="session")
def moto_site(moto_server: str) -> Site:
    """Return AWS's adapters on moto."""
    with pointed_to(_environment(moto_server)):
        cloud = aws_cloud(STAGE, None, names.DEFAULT_PREFIX)
        clients = {name: make_client(name) for name in ("ec2", "ssm", "autoscaling", "cloudwatch")}
    images = clients["ec2"].describe_images(Owners=["amazon"])["Images"]
    return Site(Target.MOTO, cloud, images[0]["ImageId"], nothing, nothing, clients.__getitem__)


@pytest.fixture(scope="session")
def lab_site(lab: Lab) -> Site:
    """Return AWS's adapters on the lab."""
    with pointed_to(lab.environment()):
        cloud = aws_cloud(STAGE, None, names.DEFAULT_PREFIX)
    clients = {name: lab.client(name) for name in ("ec2", "ssm", "autoscaling", "cloudwatch", "s3")}
    cloud = replace(cloud, now=lab.clock.now)
    return Site(
        Target.LAB,
        cloud,
        lab.base_image_id,
        lambda seconds: lab.clock.forward(seconds=seconds),
        partial(_put_hook, clients["autoscaling"]),
        clients.__getitem__,
    )


@pytest.fixture
def memory(tmp_path: Path) -> MemoryCloud:
    """Return a cloud in memory, whose group has at most three machines."""
    memory = MemoryCloud(tmp_path)
    memory.groups.maximum = 3
    return memory


@pytest.fixture
def memory_site(memory: MemoryCloud) -> Site:
    """Return the doubles that the tests of the verbs run on."""

    def hook(_: str) -> None:
        memory.groups.hook_seconds = HOOK_SECONDS

    return Site(Target.MEMORY, memory.cloud, memory.image_id, memory.clock.sleep, hook, nothing)


@pytest.fixture
def disk_site(memory_site: Site, tmp_path: Path) -> Site:
    """Return the adapters of this machine; the ports that it has no adapter for are the doubles."""
    cloud = replace(
        memory_site.cloud,
        account=LocalAccount(),
        parameters=DiskParameters(tmp_path / "parameters"),
        figures=DiskFigures(tmp_path / "figures.sqlite"),
    )
    return replace(memory_site, target=Target.DISK, cloud=cloud)


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Site:
    """Return the cloud that `on` named."""
    found: Site = request.getfixturevalue(f"{request.param}_site")
    return found


@pytest.fixture
def stage() -> str:
    """Return a stage of this test's own."""
    return f"s{uuid4().hex[:8]}"


@pytest.fixture
def template(site: Site) -> str:
    """Make a launch template."""
    name = f"lt-{uuid4().hex[:8]}"
    data = {"ImageId": site.image_id, "InstanceType": TYPE, "UserData": base64.b64encode(USER_DATA.encode()).decode()}
    site.client("ec2").create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)
    return name


@pytest.fixture
def group(site: Site, request: pytest.FixtureRequest) -> Iterator[str]:
    """Make a group of 0 to 3 machines, without any; it is gone after the test."""
    if site.target is Target.MEMORY:
        yield GROUP
        return
    name, scaling = f"asg-{uuid4().hex[:8]}", site.client("autoscaling")
    scaling.create_auto_scaling_group(
        AutoScalingGroupName=name,
        MinSize=0,
        MaxSize=3,
        DesiredCapacity=0,
        AvailabilityZones=[f"{REGION}a"],
        LaunchTemplate={"LaunchTemplateName": request.getfixturevalue("template"), "Version": "$Latest"},
    )
    yield name
    for member in site.group(name).members:
        site.cloud.groups.protect(name, member.instance_id, is_protected=False)
    site.cloud.groups.set_capacity(name, 0)
    site.forward(5)
    for member in site.group(name).members:
        site.cloud.groups.finish_hook(name, names.TERMINATION_HOOK, member.instance_id)
    site.forward(5)
    scaling.delete_auto_scaling_group(AutoScalingGroupName=name)


def pointed_to(environment: dict[str, str]) -> ExitStack:
    """Set variables for a while, in which clients are made: these keep what they were made with."""
    undo = ExitStack()
    patch = undo.enter_context(pytest.MonkeyPatch.context())
    for name, value in environment.items():
        patch.setenv(name, value)
    return undo


def _environment(endpoint: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _put_hook(scaling: Any, group: str) -> None:
    scaling.put_lifecycle_hook(
        AutoScalingGroupName=group,
        LifecycleHookName=names.TERMINATION_HOOK,
        LifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
        HeartbeatTimeout=HOOK_SECONDS,
    )
