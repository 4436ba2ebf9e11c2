"""ministack as a process of its own: `make .cache/emulators/.installed` installs it."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import boto3
from botocore.exceptions import ClientError, EndpointConnectionError
from tests.infrastructure.conftest import ACCOUNT

from comfyfleet.cloud.local.network import free_port

REGION: Final = "eu-central-1"
PROGRAMS: Final = Path(__file__).parents[2] / ".cache" / "emulators" / "bin"


@contextlib.contextmanager
def ministack(
    folder: Path, settings: Mapping[str, str], command: Sequence[str | Path] = ("ministack",)
) -> Iterator[str]:
    """Run ministack, or another program of its environment, on a free port; yield its address."""
    program = PROGRAMS / command[0]
    assert program.exists(), "make test installs it; or: make .cache/emulators/.installed"
    port = free_port()
    environment = os.environ | {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1"} | dict(settings)
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen([program, *command[1:]], env=environment, stdout=log, stderr=log, cwd=folder) as process,
    ):
        endpoint = f"http://127.0.0.1:{port}"
        try:
            _wait_for(endpoint, process)
            yield endpoint
        finally:
            process.terminate()


def _wait_for(endpoint: str, process: "subprocess.Popen[bytes]") -> None:
    client = boto3.session.Session(ACCOUNT, "test", region_name=REGION).client("sts", endpoint_url=endpoint)
    while process.poll() is None:
        try:
            client.get_caller_identity()
        except (EndpointConnectionError, ClientError):
            time.sleep(0.1)
        else:
            return
    raise AssertionError("ministack did not start")
