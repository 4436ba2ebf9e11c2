"""The control plane of a stage in the lab: its own process, with what the compute stack gives its task."""

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from comfyfleet.cloud.local.processes import dying_with_parent
from lab.deploy.tasks import Task
from lab.lab import Lab

ADMINISTRATOR: Final = "operator@example.com"
_PASSWORD: Final = "one that only the lab has"
_START_SECONDS: Final = 60.0
DATABASE_PIECES: Final = frozenset({"DATABASE_HOST", "DATABASE_USER", "DATABASE_PASSWORD"})
"""What the container's entry point puts the database's address together from; the lab has no database of RDS."""
_ONE_TIME: Final = re.compile(r"one-time password: (\S+)")


@dataclass(frozen=True)
class Site:
    """A control plane that answers at `url`, and an operator's key."""

    url: str
    key: str


def settings_of(lab: Lab, task: Task, database_url: str, folder: Path) -> dict[str, str]:
    """Return the control plane's environment: what the compute stack gives its task, and what the lab has instead.

    Raises:
        RuntimeError: The stack gives something of what the lab lacks, for which it has nothing instead.
    """
    certificates = folder / "certificates"
    certificates.mkdir()
    (certificates / "lab.pem").write_text(lab.compute.signer.certificate_pem)
    if task.missing != DATABASE_PIECES:
        raise RuntimeError(f"The lab has nothing for {', '.join(sorted(task.missing ^ DATABASE_PIECES))}.")
    return {
        **task.environment,
        **lab.environment(),
        "AWS_IDENTITY_CERTIFICATES": str(certificates),
        "DATABASE_URL": database_url,
    }


@contextlib.contextmanager
def serving(settings: Mapping[str, str], port: int, folder: Path) -> Iterator[Site]:
    """Migrate the database and serve; yield the site with a key of its first operator."""
    program = [sys.executable, "-m", "comfyfleet"]
    environment = {**os.environ, **settings}
    migrate = [*program, "migrate", "--administrator", ADMINISTRATOR]
    said = subprocess.run(migrate, env=environment, capture_output=True, text=True, check=False)
    found = _ONE_TIME.search(said.stdout + said.stderr)
    if said.returncode != 0 or found is None:
        raise RuntimeError(f"The database was not migrated: {said.stdout}{said.stderr}")
    with (folder / "control-plane.log").open("wb") as log:
        process = subprocess.Popen(
            [*program, "serve", "--port", str(port)],
            env=environment,
            stdout=log,
            stderr=log,
            preexec_fn=dying_with_parent(),  # noqa: PLW1509 - one system call between fork and exec
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _await(url, process, folder / "control-plane.log")
        yield Site(url, _key(url, found[1]))
    finally:
        process.terminate()
        process.wait(30)


def _await(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/healthz").is_success:
                return
        time.sleep(0.2)
    raise RuntimeError(f"The control plane does not answer: {log.read_text()[-2000:]}")


def _key(url: str, one_time: str) -> str:
    """Sign in as the operator does the first time, and make an API key."""
    with httpx.Client(base_url=url, headers={"Origin": url}) as browser:
        person = {"email": ADMINISTRATOR, "password": one_time}
        browser.post("/api/auth/sign-in", json=person).raise_for_status()
        change = {"current": one_time, "new": _PASSWORD}
        browser.post("/api/auth/password", json=change).raise_for_status()
        browser.post("/api/auth/sign-in", json={**person, "password": _PASSWORD}).raise_for_status()
        made = browser.post("/api/keys", json={"name": "runbook", "role": "operator"})
        made.raise_for_status()
        token: str = made.json()["data"]["token"]
        return token
