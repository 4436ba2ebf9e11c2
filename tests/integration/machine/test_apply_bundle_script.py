"""The script of a GPU machine, as the boot calls it, against S3 servers."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from moto.server import ThreadedMotoServer
from tests.integration.machine.library import MIB, node_archive, random_item
from tests.integration.machine.machine import Machine
from tests.support.seaweedfs import ACCESS_KEY, SECRET_KEY, client_of, seaweedfs

SCRIPT: Final = Path(__file__).parents[3] / "infrastructure" / "machine" / "apply-bundle.sh"
PROGRAM: Final = str(Path(sys.executable).parent / "comfyfleet")
BUCKET: Final = "bp-models-000000000000-staging"
FIRST_ID: Final = "6c2e1b2c-2a7d-4a0f-9d2d-4a0b1d2c3e4f"
SECOND_ID: Final = "0b7f4a7e-0d43-4cbb-8a35-5f3f6a3f1b11"
CHECKPOINT: Final = random_item(1, 9 * MIB + 1).content
LORA: Final = b"a lora"
NODE: Final = node_archive({"__init__.py": b"NODE_CLASS_MAPPINGS = {}\n", "lib/a.py": b"a = 1\n"}).content


@dataclass(frozen=True)
class Bucket:
    """The models bucket on one S3 server."""

    endpoint: str
    client: Any

    def put(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=content)

    def environment_for(self, bundle_prefix: str) -> dict[str, str]:
        return {
            "BUNDLE_PREFIX": bundle_prefix,
            "MODELS_BUCKET": BUCKET,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "COMFYFLEET_BIN": PROGRAM,
        }


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def seaweedfs_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as endpoint:
        yield endpoint


@pytest.fixture(scope="session", params=["moto", "seaweedfs"])
def bucket(request: pytest.FixtureRequest) -> Iterator[Bucket]:
    """A bucket in which a person has put files and two manifests by hand."""
    endpoint = request.getfixturevalue(f"{request.param}_endpoint")
    bucket = Bucket(endpoint, client_of(endpoint))
    bucket.client.create_bucket(Bucket=BUCKET)
    for kind, content in (("checkpoint", CHECKPOINT), ("lora", LORA), ("custom_node", NODE)):
        bucket.put(f"assets/{kind}/{hashlib.sha256(content).hexdigest()}", content)
    first = [
        asset("checkpoint", CHECKPOINT, "models/checkpoints/sdxl.safetensors", stars=5),
        asset("hologram", LORA, "models/holograms/a.safetensors", asset_s3_key=key_of("lora", LORA)),
        asset("custom_node", NODE, "custom_nodes/my-node", action="extract_tar_gz"),
    ]
    second = [asset("checkpoint", CHECKPOINT, "models/checkpoints/moved.safetensors")]
    for bundle_id, assets in ((FIRST_ID, first), (SECOND_ID, second)):
        manifest = {
            "manifest_version": 1,
            "bundle_id": bundle_id,
            "name": "Made by hand",
            "created_at": "2026-02-20T12:34:56Z",
            "notes": None,
            "reviewed_by": {"name": "somebody"},
            "assets": assets,
        }
        bucket.put(f"bundles/{bundle_id}/manifest.json", json.dumps(manifest, indent=2).encode())
    yield bucket
    bucket.client.close()


def key_of(kind: str, content: bytes) -> str:
    return f"assets/{kind}/{hashlib.sha256(content).hexdigest()}"


def asset(kind: str, content: bytes, target_path: str, **more: Any) -> dict[str, Any]:
    """Return an entry of a manifest without a size."""
    return {
        "asset_id": 1,
        "kind": kind,
        "sha256": hashlib.sha256(content).hexdigest(),
        "asset_s3_key": key_of(kind, content),
        "original_filename": target_path.rpartition("/")[2],
        "target_path": target_path,
        "action": "copy",
        **more,
    }


def run_script(folder: Path, environment: Mapping[str, str], *arguments: str, code: int = 0) -> str:
    """Run the script with nothing but these variables; return what it said."""
    base = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "INSTALL_ROOT": str(folder / "comfyui"),
        "ASSET_SYNC_LOG": str(folder / "sync.log"),
    }
    done = subprocess.run(
        [str(SCRIPT), *arguments],
        env={**base, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_manifest_written_by_hand_is_installed_and_what_the_next_one_lacks_is_removed(
    bucket: Bucket, tmp_path: Path
) -> None:
    machine = Machine(tmp_path)
    run_script(tmp_path, bucket.environment_for(f"bundles/{FIRST_ID}"))
    assert machine.active_bundle() == FIRST_ID
    assert sorted(machine.listed_paths()) == [
        "custom_nodes/my-node",
        "models/checkpoints/sdxl.safetensors",
        "models/holograms/a.safetensors",
    ]
    assert machine.read("models/checkpoints/sdxl.safetensors") == CHECKPOINT
    assert machine.read("models/holograms/a.safetensors") == LORA
    assert machine.read("custom_nodes/my-node/lib/a.py") == b"a = 1\n"
    assert machine.verified_bundle() == FIRST_ID
    (tmp_path / "comfyui" / "models/holograms/own.safetensors").write_bytes(b"somebody's own")

    run_script(tmp_path, bucket.environment_for(f"bundles/{SECOND_ID}/"))
    assert machine.active_bundle() == SECOND_ID
    assert machine.listed_paths() == ["models/checkpoints/moved.safetensors"]
    assert machine.read("models/checkpoints/moved.safetensors") == CHECKPOINT
    files = {path.relative_to(machine.root).as_posix() for path in machine.root.rglob("*") if path.is_file()}
    assert files == {
        ".active_bundle_id",
        ".installed_bundle_paths",
        "models/checkpoints/moved.safetensors",
        "models/holograms/own.safetensors",
    }
    assert f"bundle {SECOND_ID} is in place" in machine.log.read_text()


def test_what_another_tool_installed_is_removed_by_its_list(bucket: Bucket, tmp_path: Path) -> None:
    root = tmp_path / "comfyui"
    others = {
        "models/loras/theirs.safetensors": b"theirs",
        "custom_nodes/theirs/__init__.py": b"theirs",
        "custom_nodes/mine/__init__.py": b"mine",
        "models/vae/mine.safetensors": b"mine",
        "main.py": b"ComfyUI",
    }
    for path, content in others.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    listed = [
        "models/loras/theirs.safetensors",
        f"{root}/custom_nodes/theirs/",
        "models/vae",
        "custom_nodes",
        "../../etc/passwd",
        "/etc/passwd",
        "models/loras/gone.safetensors",
        "",
    ]
    (root / ".installed_bundle_paths").write_text("\n".join(listed))
    (root / ".active_bundle_id").write_text("11111111-2222-3333-4444-555555555555\n")

    run_script(tmp_path, bucket.environment_for(f"bundles/{SECOND_ID}"))
    machine = Machine(tmp_path)
    assert machine.active_bundle() == SECOND_ID
    assert machine.listed_paths() == ["models/checkpoints/moved.safetensors"]
    files = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file() and path.name[0] != "."}
    assert files == {
        "custom_nodes/mine/__init__.py",
        "main.py",
        "models/checkpoints/moved.safetensors",
        "models/vae/mine.safetensors",
    }
    assert machine.whole_bundle() == SECOND_ID


def test_the_scripts_exit_codes_are_those_of_the_command(bucket: Bucket, tmp_path: Path) -> None:
    assert "no bundle" in run_script(tmp_path, bucket.environment_for("none"), code=2)
    absent = "bundles/99999999-0d43-4cbb-8a35-5f3f6a3f1b11"
    assert absent in run_script(tmp_path, bucket.environment_for(absent), code=5)
    plan = run_script(tmp_path, bucket.environment_for(f"bundles/{FIRST_ID}"), "--dry-run", "--json")
    assert json.loads(plan)["fetch_bytes"] == len(CHECKPOINT) + len(LORA) + len(NODE)


def test_the_script_says_what_it_lacks(tmp_path: Path) -> None:
    assert "BUNDLE_PREFIX" in run_script(tmp_path, {}, code=2)
    bundle = {"BUNDLE_PREFIX": f"bundles/{FIRST_ID}"}
    assert "COMFYFLEET_BIN" in run_script(tmp_path, {**bundle, "COMFYFLEET_BIN": "/nowhere/comfyfleet"}, code=127)
    assert "MODELS_BUCKET" in run_script(tmp_path, {**bundle, "COMFYFLEET_BIN": PROGRAM}, code=2)
    on_the_path = {**bundle, "PATH": f"{Path(PROGRAM).parent}:{os.environ['PATH']}"}
    assert "MODELS_BUCKET" in run_script(tmp_path, on_the_path, code=2)
