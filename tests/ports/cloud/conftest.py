"""The clouds that the suites of this folder run on: this disk, and AWS's adapters on moto.

moto keeps records and starts nothing: what it only pretends to do is named so in the tests that touch it.
"""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from lab.moto_gaps import fill
from moto.server import ThreadedMotoServer

from comfyfleet.cloud.aws.account import StsAccount
from comfyfleet.cloud.aws.clients import make_client
from comfyfleet.cloud.aws.figures import CloudWatchFigures
from comfyfleet.cloud.aws.parameters import SsmParameters
from comfyfleet.cloud.fleet_ports import Account, Figures, ParameterStore
from comfyfleet.cloud.local.account import LocalAccount
from comfyfleet.cloud.local.figures import DiskFigures
from comfyfleet.cloud.local.parameters import DiskParameters

REGION = "eu-central-1"


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    """Run moto's server."""
    fill()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws(moto_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Point boto3 to moto, as an operator points it to an emulator; return the endpoint."""
    settings = {
        "AWS_ENDPOINT_URL": moto_server,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return moto_server


@pytest.fixture(params=["local", "aws"])
def is_aws(request: pytest.FixtureRequest) -> bool:
    """Return whether this turn is AWS's."""
    if request.param == "aws":
        request.getfixturevalue("aws")
    return bool(request.param == "aws")


@pytest.fixture
def parameters(is_aws: bool, tmp_path: Path) -> ParameterStore:
    """Return each store of parameters in turn."""
    return SsmParameters() if is_aws else DiskParameters(tmp_path / "parameters")


@pytest.fixture
def figures(is_aws: bool, tmp_path: Path) -> Figures:
    """Return each keeper of figures in turn."""
    return CloudWatchFigures() if is_aws else DiskFigures(tmp_path / "figures.sqlite")


@pytest.fixture
def account(is_aws: bool) -> Account:
    """Return each account in turn."""
    return StsAccount() if is_aws else LocalAccount()


@pytest.fixture
def stage() -> str:
    """Return a stage of this test's own."""
    return f"s{uuid4().hex[:8]}"


@pytest.fixture
def template(aws: str, image_id: str) -> str:
    """Make a launch template."""
    name = f"lt-{uuid4().hex[:8]}"
    data = {"ImageId": image_id, "InstanceType": "g5.xlarge"}
    make_client("ec2").create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)
    return name


@pytest.fixture
def image_id(aws: str) -> str:
    """Return the id of a public image that moto knows."""
    images = make_client("ec2").describe_images(Owners=["amazon"])["Images"]
    return str(images[0]["ImageId"])


@pytest.fixture
def group(aws: str, template: str) -> str:
    """Make an Auto Scaling group of 0 to 3 machines with two machines."""
    name = f"asg-{uuid4().hex[:8]}"
    make_client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=name,
        MinSize=0,
        MaxSize=3,
        DesiredCapacity=2,
        AvailabilityZones=[f"{REGION}a"],
        LaunchTemplate={"LaunchTemplateName": template, "Version": "$Latest"},
    )
    return name
