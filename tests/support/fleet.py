"""`comfyfleet up` as a user starts it: a process of its own, over a data folder of its own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
import psutil

from comfyfleet.cloud.local.processes import dying_with_parent

_START_SECONDS: Final = 90.0
_WAIT_SECONDS: Final = 120.0
Result = TypeVar("Result")
Json = dict[str, Any]


@dataclass
class Fleet:
    """A running `up`, and a client with the administrator's key."""

    process: subprocess.Popen[bytes]
    data: Path
    url: str
    http: httpx.Client

    @classmethod
    @contextlib.contextmanager
    def up(cls, data: Path, *arguments: str, **environment: str) -> "Iterator[Fleet]":
        """Start it and wait until a worker has come; stop it by Ctrl-C in the end."""
        process = start_up(data, *arguments, **environment)
        try:
            connection = eventually(lambda: _connection(process, data), _START_SECONDS)
            headers = {"Authorization": f"Bearer {connection['api_key']}"}
            with httpx.Client(base_url=connection["url"], headers=headers, timeout=30) as http:
                fleet = cls(process, data, connection["url"], http)
                if "--no-worker" not in arguments:
                    eventually(fleet.workers, _START_SECONDS)
                yield fleet
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(60) in {0, -signal.SIGKILL}

    def get(self, path: str) -> Any:
        """Return the data of an answer."""
        answer = self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def post(self, path: str, body: Json) -> Any:
        """Post, and return the data of an answer."""
        answer = self.http.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()["data"]

    def workers(self) -> list[Json]:
        """Return the active workers."""
        workers: list[Json] = self.get("/api/workers?status=active")["items"]
        return workers

    def upload(self, path: Path, content_type: str = "video/mp4") -> str:
        """Upload a file; return its id."""
        content = path.read_bytes()
        body = {"filename": path.name, "content_type": content_type, "size": len(content)}
        ticket = self.post("/api/uploads", body)
        httpx.put(ticket["put_url"], content=content, headers=ticket["headers"], timeout=60).raise_for_status()
        upload_id: str = ticket["upload_id"]
        return upload_id

    def import_workflow(self, slug: str, graph: Json, **fields: Any) -> None:
        """Import a workflow, let the fleet serve it, and make an effect of the same name for one credit."""
        image = {"output_extension": "png", "output_mime_type": "image/png"}
        self.post("/api/workflows", {"name": slug, "slug": slug, "graph": graph, **image, **fields})
        self.post("/api/effects", {"name": slug, "slug": slug, "workflow": slug})
        fleet = self.get("/api/fleets")[0]
        workflows = {"workflows": [*fleet["workflows"], slug]}
        self.http.put(f"/api/fleets/{fleet['stage']}/{fleet['slug']}/workflows", json=workflows).raise_for_status()

    def submit(self, effect: str, **values: Any) -> Json:
        """Submit a job."""
        job: Json = self.post("/api/jobs", {"effect": effect, "values": values})
        return job

    def job(self, job_id: int) -> Json:
        """Return a job."""
        job: Json = self.get(f"/api/jobs/{job_id}")
        return job

    def wait(self, job_id: int, *states: str) -> Json:
        """Wait until a job has one of the states; by default until it has ended."""
        wanted = states or ("completed", "failed", "canceled")
        return eventually(lambda: (job := self.job(job_id)) if self.job(job_id)["status"] in wanted else None)

    def ledger(self, job_id: int) -> list[str]:
        """Return the kinds of a job's ledger entries, oldest first."""
        items = self.get("/api/tenants/local/ledger?limit=200")["items"]
        return [item["kind"] for item in reversed(items) if item["job_id"] == job_id]

    def events(self, job_id: int) -> list[str]:
        """Return the names on a job's timeline."""
        return [line["event"] for line in self.get(f"/api/jobs/{job_id}/timeline")]

    def worker_process(self) -> psutil.Process:
        """Return the worker's process."""
        children = psutil.Process(self.process.pid).children()
        return next(child for child in children if child.cmdline()[-1] == "worker")


def start_up(data: Path, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    """Start `comfyfleet up` on a free port, without the COMFYUI_URL of whoever runs the tests."""
    clean = {name: value for name, value in os.environ.items() if name != "COMFYUI_URL"}
    return subprocess.Popen(
        [sys.executable, "-m", "comfyfleet", "up", "--data", str(data), "--port", "0", *arguments],
        env={**clean, **environment},
        stdout=subprocess.PIPE if environment.get("READ_OUTPUT") else subprocess.DEVNULL,
        stderr=subprocess.STDOUT if environment.get("READ_OUTPUT") else None,
        preexec_fn=dying_with_parent(),  # noqa: PLW1509 - one system call between fork and exec
    )


def eventually(look: Callable[[], Result | None], seconds: float = _WAIT_SECONDS) -> Result:
    """Look until there is something; fail when there is nothing for too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"nothing within {seconds:g} s")


def _connection(process: subprocess.Popen[bytes], data: Path) -> dict[str, str] | None:
    assert process.poll() is None, f"up ended with status {process.returncode}"
    try:
        connection: dict[str, str] = json.loads((data / "cli.json").read_text())
        httpx.get(f"{connection['url']}/healthz", timeout=2).raise_for_status()
    except (FileNotFoundError, httpx.HTTPError):
        return None
    return connection
