"""SeaweedFS as an S3 server that checks signatures, checksums and conditions."""

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from comfyfleet.cloud.aws.s3 import make_s3_client
from comfyfleet.cloud.local.processes import dying_with_parent

ACCESS_KEY: Final = "test-access-key"
SECRET_KEY: Final = "test-secret-key"
_START_SECONDS: Final = 90.0


@contextlib.contextmanager
def seaweedfs(folder: Path) -> Iterator[str]:
    """Run SeaweedFS; yield its endpoint. All its ports are pinned, since it dies when one is taken."""
    master, volume, filer, s3 = _ports()
    identities = folder / "identities.json"
    credentials = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
    actions = ["Admin", "Read", "Write", "List"]
    identities.write_text(json.dumps({"identities": [{"name": "t", "credentials": credentials, "actions": actions}]}))
    data = folder / "data"
    data.mkdir()
    options = {
        "ip": "127.0.0.1",
        "dir": data,
        "master.port": master[0],
        "master.port.grpc": master[1],
        "volume.port": volume[0],
        "volume.port.grpc": volume[1],
        "filer.port": filer[0],
        "filer.port.grpc": filer[1],
        "s3.port": s3[0],
        "s3.port.grpc": s3[1],
        "s3.port.lance": 0,
        "s3.port.iceberg": 0,
        "s3.config": identities,
        "master.volumeSizeLimitMB": 64,
        "volume.max": 1000,  # every bucket takes seven
    }
    command = [str(Path(sys.executable).parent / "weed"), "server", "-s3", "-filer"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *(f"-{name}={value}" for name, value in options.items())],
            stdout=log,
            stderr=log,
            cwd=folder,
            preexec_fn=dying_with_parent(),  # noqa: PLW1509 - one system call between fork and exec
        )
    try:
        endpoint = f"http://127.0.0.1:{s3[0]}"
        _wait(process, endpoint, folder / "log")
        yield endpoint
    finally:
        process.kill()  # it takes more than half a minute to stop in order, and nothing of it is kept
        process.wait(30)


def client_of(endpoint: str) -> Any:
    """Return a client with the server's credentials."""
    return make_s3_client(endpoint_url=endpoint, access_key_id=ACCESS_KEY, secret_access_key=SECRET_KEY)


def _ports() -> list[tuple[int, int]]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(8)]
        for probe in sockets:
            probe.bind(("127.0.0.1", 0))
        ports = [probe.getsockname()[1] for probe in sockets]
    return list(zip(ports[::2], ports[1::2], strict=True))


def _wait(process: subprocess.Popen[bytes], endpoint: str, log: Path) -> None:
    client = client_of(endpoint)
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        with contextlib.suppress(BotoCoreError, ClientError):
            client.create_bucket(Bucket="probe")
            client.put_object(Bucket="probe", Key="probe", Body=b"probe")
            return
        time.sleep(0.3)
    raise AssertionError(log.read_text(errors="replace")[-2000:])
