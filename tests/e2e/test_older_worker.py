"""A worker written after the contract's required fields alone still renders: no heartbeats, no assets, no long poll."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.support.comfyui_target import Target, frames_of
from tests.support.fleet import Fleet
from tests.support.standin import standin

from comfyfleet.up.seed import sample_path


@pytest.fixture
def comfyui(tmp_path: Path) -> Iterator[Target]:
    """Run the stand-in by itself."""
    with standin(tmp_path / "comfyui") as url:
        target = Target.at(url, "stand-in")
        yield target
        target.http.close()


def work_once(api: httpx.Client, comfyui: Target, secret: str) -> None:
    """Do what an older worker does, from registration to completion."""
    body = {"worker_id": "i-0older", "fleet_slug": "gpu-default"}
    registered = api.post("/api/worker/register", json=body, headers={"X-Fleet-Secret": secret}).json()["data"]
    api.headers["Authorization"] = f"Bearer {registered['token']}"
    job = poll(api)
    payload = job["input_payload"]
    content = httpx.get(job["input_url"], timeout=60).content
    uploaded = comfyui.upload(f"{uuid4().hex}-{payload['input_name']}", content).json()["name"]
    graph = json.loads(json.dumps(payload["workflow"]).replace(payload["input_path_placeholder"], uploaded))
    entry = comfyui.run(graph)
    [output] = entry["outputs"][payload["output_node_id"]]["images"]
    result = comfyui.view(output)
    httpx.put(job["output_url"], content=result, headers=job["output_headers"], timeout=60).raise_for_status()
    done = {
        "dispatch_id": job["dispatch_id"],
        "lease_token": job["lease_token"],
        "provider_job_id": entry["prompt"][1],
        "output": {"size": len(result), "mime_type": payload["output_mime_type"]},
    }
    assert api.post("/api/worker/complete", json=done).json()["data"] == {"job_id": job["job_id"]}


def poll(api: httpx.Client) -> dict[str, Any]:
    """Poll every three seconds until there is a job."""
    body = {"worker_id": "i-0older", "current_load": 0, "max_concurrency": 1}
    while True:
        job: dict[str, Any] | None = api.post("/api/worker/poll", json=body).json()["data"]["job"]
        if job is not None:
            return job
        time.sleep(3)


def test_a_worker_that_knows_only_required_fields_registers_leases_renders_and_completes(
    tmp_path: Path, comfyui: Target
) -> None:
    with Fleet.up(tmp_path / "data", "--no-worker") as fleet:
        secret = json.loads((fleet.data / "secrets.json").read_text())["fleet_secret"]
        job = fleet.submit("caption-video", input_video=fleet.upload(sample_path()), prompt="from an older worker")
        with httpx.Client(base_url=fleet.url, timeout=30) as api:
            work_once(api, comfyui, secret)
        done = fleet.job(job["id"])
        assert done["status"] == "completed"
        frames, codec, _ = frames_of(httpx.get(done["output_url"], timeout=60).content)
        assert codec == "h264"
        assert len(frames) == 72
        assert fleet.ledger(job["id"]) == ["reserve", "consume"]
        [worker] = fleet.get("/api/workers")["items"]
        assert worker["registration_source"] == "fleet"
