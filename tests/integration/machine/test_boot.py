"""What a machine of a fleet does at its start: user data and boot.sh, run for real below a folder."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import boto3
import pytest
from lab.metadata import MetadataService
from moto.server import ThreadedMotoServer
from tests.integration.machine.library import Item, digest_of, manifest

from comfyfleet import names

FILES: Final = Path(__file__).parents[3] / "infrastructure" / "machine"
PROGRAM: Final = str(Path(sys.executable).parent / "comfyfleet")
STAGE, SLUG, INSTANCE = "staging", "gpu-default", "i-0123456789abcdef0"
BUCKET, LOGS = "bp-models-000000000000-staging", "bp-logs-000000000000-staging"
SECRET: Final = 'a "secret" of $quotes'
FIRST, SECOND = "6c2e1b2c-2a7d-4a0f-9d2d-4a0b1d2c3e4f", "0b7f4a7e-0d43-4cbb-8a35-5f3f6a3f1b11"
ITEMS: Final = {
    FIRST: {"models/loras/a.safetensors": Item(b"a lora", kind="lora")},
    SECOND: {"models/vae/b.safetensors": Item(b"a vae", kind="vae")},
}
SYSTEMCTL: Final = '#!/bin/sh\necho "$*" >>"$MACHINE_ROOT/asked"\ntest ! -e "$MACHINE_ROOT/refuse"\n'


@dataclass
class Cloud:
    """Parameters and buckets of a stage on an emulator."""

    endpoint: str
    keys: Mapping[str, str] = field(
        default_factory=lambda: {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
    )

    def client(self, service: str) -> Any:
        return boto3.session.Session().client(
            service,
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="any",
            aws_secret_access_key="any",
        )

    def write(self, name: str, value: str) -> None:
        self.client("ssm").put_parameter(Name=name, Value=value, Type="String", Overwrite=True)

    def point_to(self, bundle_id: str | None) -> None:
        pointer = names.bundle_prefix(bundle_id) if bundle_id else names.NO_BUNDLE
        self.write(names.active_bundle_parameter(STAGE, SLUG), pointer)

    def kept_logs(self) -> list[str]:
        s3 = self.client("s3")
        found = s3.list_objects_v2(Bucket=LOGS, Prefix=f"asset-sync/{STAGE}/{INSTANCE}/").get("Contents", [])
        return [s3.get_object(Bucket=LOGS, Key=one["Key"])["Body"].read().decode() for one in found]


@dataclass
class Node:
    """A machine whose disk is a folder."""

    root: Path
    cloud: Cloud
    metadata: str

    def start(self, *, code: int = 0) -> str:
        """Run the user data, as at the first start."""
        values = {
            "STAGE": STAGE,
            "FLEET_SLUG": SLUG,
            "NAME_PREFIX": "bp",
            "API_BASE_URL": "https://fleet.example.com",
            "ASG_NAME": names.group_name(STAGE, SLUG),
            "AWS_DEFAULT_REGION": "us-east-1",
            "LOGS_BUCKET": LOGS,
        }
        told = "\n".join(f"{name}={value}" for name, value in values.items())
        script = self.root / "user-data"
        script.write_text((FILES / "user-data.sh").read_text().replace("@VALUES@", told))
        return self._run(["sh", str(script)], code)

    def start_again(self, *, code: int = 0) -> str:
        """Run what the boot service runs, as at every later start."""
        return self._run([str(self.root / "opt/worker/bin/boot.sh")], code)

    def _run(self, command: list[str], code: int) -> str:
        environment = {
            "PATH": f"{self.root / 'programs'}:{os.environ['PATH']}",
            "HOME": str(self.root),
            "MACHINE_ROOT": str(self.root),
            "COMFYFLEET_BIN": PROGRAM,
            "AWS_ENDPOINT_URL": self.cloud.endpoint,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.metadata,
            "BOOT_PAUSES": "0",
            **self.cloud.keys,
            **{name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ},
        }
        done = subprocess.run(command, env=environment, cwd=self.root, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    @property
    def environment_file(self) -> Path:
        return self.root / "opt/worker/env"

    def asked(self) -> list[str]:
        """Return what systemd was asked for since the last time."""
        path = self.root / "asked"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return lines

    def bundle(self) -> str | None:
        path = self.root / "opt/comfyui/.active_bundle_id"
        return path.read_text().strip() if path.exists() else None

    def log(self) -> str:
        return (self.root / "var/log/comfyui-asset-sync.log").read_text()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    cloud = Cloud(f"http://{host}:{port}")
    s3 = cloud.client("s3")
    for bucket in (BUCKET, LOGS):
        s3.create_bucket(Bucket=bucket)
    for bundle_id, items in ITEMS.items():
        for item in items.values():
            s3.put_object(Bucket=BUCKET, Key=f"assets/{item.kind}/{digest_of(item)}", Body=item.content)
        body = json.dumps(manifest(bundle_id, items)).encode()
        s3.put_object(Bucket=BUCKET, Key=names.manifest_key(bundle_id), Body=body)
    yield cloud.endpoint
    server.stop()


@pytest.fixture
def cloud(endpoint: str) -> Cloud:
    """Return the stage, whose fleet points to the first bundle; its logs are empty."""
    cloud = Cloud(endpoint)
    cloud.write(names.models_bucket_parameter(STAGE), BUCKET)
    cloud.write(names.fleet_secret_parameter(STAGE), SECRET)
    cloud.point_to(FIRST)
    s3 = cloud.client("s3")
    for one in s3.list_objects_v2(Bucket=LOGS).get("Contents", []):
        s3.delete_object(Bucket=LOGS, Key=one["Key"])
    return cloud


@pytest.fixture
def node(tmp_path: Path, cloud: Cloud) -> Iterator[Node]:
    """A machine of the image: boot.sh, the install root, and a systemctl that writes down what it is asked for."""
    for folder in ("opt/worker/bin", "opt/comfyui", "programs"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "opt/worker/bin/boot.sh").symlink_to(FILES / "boot.sh")
    systemctl = tmp_path / "programs/systemctl"
    systemctl.write_text(SYSTEMCTL)
    systemctl.chmod(0o755)
    service = MetadataService(lambda: {"meta-data/instance-id": INSTANCE})
    yield Node(tmp_path, cloud, service.url)
    service.stop()


def test_a_new_machine_applies_its_fleets_bundle_and_starts_its_services(node: Node, cloud: Cloud) -> None:
    said = node.start()
    assert node.bundle() == FIRST
    assert (node.root / "opt/comfyui/models/loras/a.safetensors").read_bytes() == b"a lora"
    assert node.asked() == ["start comfyui.service", "restart comfyui-worker.service"]
    assert stat.S_IMODE(node.environment_file.stat().st_mode) == 0o600
    assert stat.S_IMODE((node.root / "opt/worker/boot.env").stat().st_mode) == 0o600
    [kept] = cloud.kept_logs()
    assert "ComfyUI and the worker were started" in kept
    for text in (said, node.log(), kept):
        assert "secret" not in text.replace("comfyui", "")


def test_the_workers_environment_has_the_contracts_names_and_a_shell_reads_it_right(node: Node) -> None:
    node.start()
    shown = subprocess.run(
        ["env", "-i", "sh", "-c", 'set -a; . "$0"; exec env', str(node.environment_file)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    values = dict(line.split("=", 1) for line in shown.splitlines())
    expected = {
        "API_BASE_URL": "https://fleet.example.com",
        "WORKER_ID": INSTANCE,
        "FLEET_SECRET": SECRET,
        "FLEET_SLUG": SLUG,
        "FLEET_STAGE": STAGE,
        "ASG_NAME": "asg-staging-gpu-default",
        "COMFYUI_BASE_URL": "http://127.0.0.1:8188",
        "MAX_CONCURRENCY": "1",
        "HEARTBEAT_INTERVAL_SECONDS": "10",
        "POLL_INTERVAL_SECONDS": "3",
    }
    assert values.items() >= expected.items()


def test_a_bundle_that_came_with_the_image_is_not_applied(node: Node, cloud: Cloud) -> None:
    (node.root / "opt/comfyui/.baked_bundle_id").write_text(f"{FIRST}\n")
    assert "came with the image" in node.start()
    assert node.bundle() is None
    assert node.asked()[0] == "start comfyui.service"
    cloud.point_to(SECOND)
    node.start_again()
    assert node.bundle() == SECOND
    cloud.point_to(FIRST)
    assert f"here is bundle {SECOND}" in node.start_again()
    assert node.bundle() == FIRST


def test_a_reboot_does_all_of_it_again_and_leaves_a_worker_alone_that_knows_all(node: Node) -> None:
    node.start()
    node.asked()
    before = node.environment_file.stat().st_ino
    assert "is as it was" in node.start_again()
    assert node.asked() == ["start comfyui.service", "start comfyui-worker.service"]
    assert node.environment_file.stat().st_ino == before


def test_a_fleet_without_a_bundle_starts_without_one(node: Node, cloud: Cloud) -> None:
    cloud.point_to(None)
    assert "points to no bundle" in node.start()
    assert node.bundle() is None
    assert len(node.asked()) == 2


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (names.fleet_secret_parameter(STAGE), names.SECRET_PLACEHOLDER, "placeholder"),
        (names.active_bundle_parameter(STAGE, SLUG), "bundles/../etc", "mend-pointer"),
        (names.active_bundle_parameter(STAGE, SLUG), None, "There is no parameter"),
    ],
)
def test_a_parameter_that_is_missing_or_wrong_stops_the_boot(
    node: Node, cloud: Cloud, name: str, value: str | None, said: str
) -> None:
    if value is None:
        cloud.client("ssm").delete_parameter(Name=name)
    else:
        cloud.write(name, value)
    assert said in node.start(code=10)
    assert node.asked() == []
    assert not node.environment_file.exists()
    assert "failed: " in cloud.kept_logs()[0]


def test_an_apply_that_fails_leaves_the_old_bundle_and_starts_no_worker(node: Node, cloud: Cloud) -> None:
    node.start()
    node.asked()
    cloud.point_to("99999999-0d43-4cbb-8a35-5f3f6a3f1b11")
    node.start_again(code=5)
    assert node.bundle() == FIRST
    assert (node.root / "opt/comfyui/models/loras/a.safetensors").exists()
    assert node.asked() == []


def test_a_cloud_that_does_not_answer_is_asked_again(node: Node) -> None:
    node.cloud.endpoint = "http://127.0.0.1:9"
    assert "trying again in 0 seconds" in node.start(code=4)
    assert node.asked() == []


def test_a_service_that_does_not_start_is_told_with_where_to_look(node: Node) -> None:
    (node.root / "refuse").touch()
    assert "journalctl -u comfyui.service" in node.start(code=9)


def test_an_environment_that_cannot_be_written_leaves_the_old_one(node: Node, cloud: Cloud) -> None:
    node.start()
    node.asked()
    before = node.environment_file.read_text()
    cloud.write(names.fleet_secret_parameter(STAGE), "another secret, long enough")
    (node.root / "opt/worker/env.new").mkdir()
    node.start_again(code=6)
    assert node.environment_file.read_text() == before
    assert node.asked() == []


def test_a_secret_that_no_file_can_hold_is_refused_by_name_only(node: Node, cloud: Cloud) -> None:
    cloud.write(names.fleet_secret_parameter(STAGE), "two\nlines of a secret")
    said = node.start(code=1)
    assert "FLEET_SECRET" in said
    assert "lines of" not in said
