"""One machine from end to end: `up` with its own Postgres, its worker and the stand-in."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from tests.support.fleet import Fleet, eventually, start_up

from comfyfleet.up.seed import sample_path

SLOW = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 1024, "height": 1024, "batch_size": 24, "color": 1}},
    **{
        str(number): {
            "class_type": "ImageBlur",
            "inputs": {"image": [str(number - 1), 0], "blur_radius": 15, "sigma": 5 + number / 10},
        }
        for number in range(2, 6)
    },
    "9": {"class_type": "SaveImage", "inputs": {"images": ["5", 0], "filename_prefix": "x"}},
}
COLOR = {"key": "color", "type": "number", "required": True, "node_id": "1", "input_name": "color"}
"""Another colour for every job: ComfyUI answers from its cache what it has rendered before."""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Run one machine with short leases for all tests of this file."""
    with Fleet.up(tmp_path_factory.mktemp("machine") / "data") as running:
        running.import_workflow("slow", SLOW, output_node_id="9", properties=[COLOR])
        yield running


def test_a_worker_killed_in_the_middle_of_a_job_costs_an_attempt_or_none_and_no_credits(fleet: Fleet) -> None:
    job = fleet.submit("slow", color=2)
    eventually(lambda: fleet.job(job["id"])["started_at"])
    fleet.worker_process().kill()
    done = fleet.wait(job["id"])
    assert done["status"] == "completed", done["error"]
    assert fleet.events(job["id"]).count("leased") == 2
    assert fleet.ledger(job["id"]) == ["reserve", "consume"]


def test_a_comfyui_that_dies_is_started_again_and_the_job_completes(fleet: Fleet) -> None:
    job = fleet.submit("slow", color=3)
    eventually(lambda: fleet.job(job["id"])["started_at"])
    comfyui = next(one for one in fleet.worker_process().children() if "comfyfleet.standin" in one.cmdline())
    comfyui.kill()
    done = fleet.wait(job["id"])
    assert done["status"] == "completed", done["error"]
    assert fleet.ledger(job["id"]) == ["reserve", "consume"]


def test_a_running_job_is_canceled(fleet: Fleet) -> None:
    job = fleet.submit("slow", color=4)
    eventually(lambda: fleet.job(job["id"])["started_at"])
    fleet.post(f"/api/jobs/{job['id']}/cancel", {})
    assert fleet.wait(job["id"])["status"] == "canceled"
    assert fleet.ledger(job["id"]) == ["reserve", "refund"]


def test_events_stream_from_queued_to_completed(fleet: Fleet) -> None:
    job = fleet.submit("caption-video", input_video=fleet.upload(sample_path()), prompt="stream")
    with fleet.http.stream("GET", f"/api/jobs/{job['id']}/events") as stream:
        data = [line.removeprefix("data: ") for line in stream.iter_lines() if line.startswith("data: ")]
    states = [json.loads(line)["status"] for line in data]
    assert states[-1] == "completed"
    assert states == sorted(states, key=["queued", "processing", "completed"].index)


def test_a_second_up_says_who_holds_the_folder(fleet: Fleet) -> None:
    second = start_up(fleet.data, READ_OUTPUT="1")
    output, _ = second.communicate(timeout=60)
    assert second.returncode == 1
    text = " ".join(output.decode().split())
    assert "is in use: comfyfleet up at" in text
    assert str(fleet.process.pid) in text


def test_data_survive_a_restart_and_a_kill(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Fleet.up(data) as first:
        kept = first.submit("invert-video", input_video=first.upload(sample_path()))
        first.wait(kept["id"])
        processes = psutil.Process(first.process.pid).children(recursive=True)
        first.process.kill()
        first.process.wait()
        psutil.wait_procs(processes, timeout=60)
        assert [one for one in processes if one.is_running() and "worker" in one.cmdline()] == []
    with Fleet.up(data, "--no-worker") as second:
        done = second.job(kept["id"])
        assert done["status"] == "completed"
        assert httpx.get(done["output_url"], timeout=60).status_code == 200
        assert second.ledger(kept["id"]) == ["reserve", "consume"]


def test_ctrl_c_puts_the_job_back_and_leaves_no_process(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Fleet.up(data) as first:
        first.import_workflow("slow", SLOW, output_node_id="9", properties=[COLOR])
        job = first.submit("slow", color=1)
        eventually(lambda: first.job(job["id"])["started_at"])
        processes = psutil.Process(first.process.pid).children(recursive=True)
        os.kill(first.process.pid, signal.SIGINT)
        assert first.process.wait(60) == 0
        gone, alive = psutil.wait_procs(processes, timeout=60)
        assert alive == []
        assert gone
    with Fleet.up(data, "--no-worker") as second:
        assert second.job(job["id"])["status"] == "queued"
        assert second.events(job["id"])[-1] == "requeued"
