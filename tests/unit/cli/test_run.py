import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import Result

from comfyfleet.core.jobs import JobStatus

if TYPE_CHECKING:
    from tests.unit.conftest import FakePlane

Fleet = Callable[..., Result]


@pytest.fixture
def clip(own_folder: Path) -> Path:
    path = own_folder / "clip.mp4"
    path.write_bytes(b"input")
    return path


def plan_a_good_job(plane: "FakePlane") -> None:
    plane.has_effect()
    plane.has_upload()
    half = plane.job(JobStatus.PROCESSING, progress=0.42, progress_node="TextOverlay")
    done = plane.job(JobStatus.COMPLETED, progress=1)
    plane.says("POST", "/api/jobs", plane.job(queue_position=2), status=201)
    plane.says("GET", "/api/jobs/17", half)
    plane.streams(17, half, done)
    plane.gives("GET", "/objects/out.mp4", b"result")


def test_a_run_uploads_waits_and_downloads(fleet: Fleet, fake_plane: "FakePlane", clip: Path) -> None:
    plan_a_good_job(fake_plane)
    result = fleet("run", "caption", "-i", str(clip), "--set", "prompt=Hi", "-s", "size=20", "-o", "out.mp4")
    assert result.exit_code == 0, result.output
    assert result.stdout == "out.mp4\n"
    assert result.stderr.splitlines() == [
        "uploaded clip.mp4 (5 B)",
        "queued, position 2",
        "processing 42 % node TextOverlay",
        "completed",
        "downloaded out.mp4 (6 B)",
    ]
    assert Path("out.mp4").read_bytes() == b"result"
    [submitted] = fake_plane.of("POST", "/api/jobs")
    assert submitted.json["values"] == {"prompt": "Hi", "size": 20, "clip": "upload-1"}
    assert len(submitted.headers["idempotency-key"]) == 36


def test_a_run_in_json_tells_each_step_on_a_line(fleet: Fleet, fake_plane: "FakePlane", clip: Path) -> None:
    plan_a_good_job(fake_plane)
    result = fleet("run", "caption", "-i", str(clip), "-s", "prompt=Hi", "--json", "--idempotency-key", "k1")
    steps = [json.loads(line) for line in result.stdout.splitlines()]
    assert [step["event"] for step in steps] == ["upload", "job", "job", "job", "download", "saved"]
    assert steps[-1]["path"] == str(Path.cwd() / "caption-17.mp4")
    assert steps[-1]["job"]["status"] == "completed"
    assert Path("caption-17.mp4").read_bytes() == b"result"
    assert fake_plane.of("POST", "/api/jobs")[0].headers["idempotency-key"] == "k1"
    assert result.stderr == ""


def test_without_waiting_only_the_job_is_told(fleet: Fleet, fake_plane: "FakePlane", clip: Path) -> None:
    plan_a_good_job(fake_plane)
    result = fleet("run", "caption", "-i", str(clip), "-s", "prompt=Hi", "--no-wait")
    assert (result.exit_code, result.stdout) == (0, "17\n")
    assert "comfyfleet jobs download 17" in result.stderr
    assert fake_plane.of("GET", "/api/jobs/17") == []


def test_a_failed_job_ends_with_1_and_names_the_node(fleet: Fleet, fake_plane: "FakePlane", clip: Path) -> None:
    plan_a_good_job(fake_plane)
    fake_plane.answers.pop(("GET", "/api/jobs/17"))
    fake_plane.says("GET", "/api/jobs/17", fake_plane.failed_job())
    result = fleet("run", "caption", "-i", str(clip), "-s", "prompt=Hi")
    assert result.exit_code == 1
    assert "error: Job 17 failed: Not enough memory (node KSampler)\nhint: See what happened:" in result.stderr


def test_wrong_usage_ends_with_2_before_anything_is_uploaded(fleet: Fleet, fake_plane: "FakePlane", clip: Path) -> None:
    fake_plane.has_effect()
    for wrong in (["-s", "size=20"], ["-s", "prompt=a", "-s", "size=90"], ["-s", "prompt=a", "-o", "no/where.mp4"]):
        result = fleet("run", "caption", "-i", str(clip), *wrong)
        assert (result.exit_code, result.stderr.split(":")[0]) == (2, "error"), result.output
    assert {request.method for request in fake_plane.received} == {"GET"}


def test_an_input_is_never_overwritten(fleet: Fleet, fake_plane: "FakePlane", clip: Path) -> None:
    fake_plane.has_effect()
    result = fleet("run", "caption", "-i", str(clip), "-s", "prompt=a", "-o", "./clip.mp4")
    assert result.exit_code == 2
    assert "is an input" in result.stderr


def test_a_refusal_ends_with_3_and_the_servers_words(fleet: Fleet, fake_plane: "FakePlane", clip: Path) -> None:
    plan_a_good_job(fake_plane)
    fake_plane.answers.pop(("POST", "/api/jobs"))
    fake_plane.refuses("POST", "/api/jobs", 402, "credits_insufficient", "This costs 3 credits.", "Ask for more.")
    result = fleet("run", "caption", "-i", str(clip), "-s", "prompt=a")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.endswith("error: This costs 3 credits.\nhint: Ask for more.\n")


def test_ctrl_c_while_waiting_cancels_the_job(fake_plane: "FakePlane", clip: Path) -> None:
    fake_plane.has_effect()
    fake_plane.has_upload()
    fake_plane.says("POST", "/api/jobs", fake_plane.job(), status=201)
    fake_plane.says("GET", "/api/jobs/17", fake_plane.job())
    fake_plane.streams(17, fake_plane.job())
    fake_plane.says("POST", "/api/jobs/17/cancel", fake_plane.job(JobStatus.CANCELED))
    command = [sys.executable, "-m", "comfyfleet", "--url", fake_plane.url, "--api-key", "cfk_x", "run", "caption"]
    with foreground([*command, "-i", str(clip), "-s", "prompt=a"]) as child:
        deadline = time.monotonic() + 60
        while not fake_plane.of("GET", "/api/jobs/17/events") and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        _, stderr = child.communicate(timeout=60)
    assert child.returncode == 130, stderr
    assert len(fake_plane.of("POST", "/api/jobs/17/cancel")) == 1
    assert "canceling job 17" in stderr
    assert "Job 17 was canceled; its 3 credits are returned." in stderr
    assert "Traceback" not in stderr


@contextmanager
def foreground(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Run a program as a terminal's foreground does, and end it afterwards whatever happened.

    A shell lets what it starts with `&` ignore SIGINT, and so do the children of that: also ours, when the tests run in
    the background. A signal that is caught here, however, is the default's again in a child.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        child = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "NO_COLOR": "1"},
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with child:  # closes its pipes and waits for it
        try:
            yield child
        finally:
            child.kill()
