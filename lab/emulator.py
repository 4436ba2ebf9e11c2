"""moto's server in a process of its own, which keeps the records of EC2, SSM, IAM, STS, SNS and S3."""

import contextlib
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import boto3

from comfyfleet.cloud.local.processes import dying_with_parent

REGION: Final = "eu-central-1"
KEY: Final = "lab"
"""Access key and secret key: nothing of the lab verifies signatures."""

_SERVER: Final = Path(__file__).with_name("moto_gaps.py")
_RUNNING: Final = re.compile(rb"Running on (http://127\.0\.0\.1:\d+)")


@contextlib.contextmanager
def moto() -> Iterator[str]:
    """Run moto's server on a free port; yield its address."""
    process = subprocess.Popen(
        [sys.executable, str(_SERVER), "-H", "127.0.0.1", "-p", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=dying_with_parent(),  # noqa: PLW1509 - one system call between fork and exec
    )
    said = process.stderr
    try:
        if said is None:
            raise RuntimeError("moto's server has no output.")
        for line in said:
            if found := _RUNNING.search(line):
                break
        else:
            raise RuntimeError("moto's server did not start: is `moto[server]` installed?")
        drain = threading.Thread(target=lambda: [None for _ in said], daemon=True)
        drain.start()
        yield found[1].decode()
    finally:
        process.kill()
        process.wait(10)
        drain.join(10)
        if said is not None:
            said.close()


def client(service: str, url: str) -> Any:
    """Return a client of an emulator, or of the lab."""
    session = boto3.session.Session(KEY, KEY, region_name=REGION)
    return session.client(service, endpoint_url=url)
