"""Jobs from end to end on the stand-in and on a real ComfyUI: the same results, the same refusals."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from tests.realcomfyui.server import any_real_comfyui
from tests.support.comfyui_target import WORKFLOWS, frames_of, pixels_of, png
from tests.support.fleet import Fleet

from comfyfleet.up.seed import sample_path

PROMPT = 'A "real" clip {{INPUT_VIDEO}} \\ {{PROMPT}}'


@pytest.fixture(scope="module", params=["stand-in", "real"])
def fleet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Run one machine over each ComfyUI in turn."""
    folder: Path = tmp_path_factory.mktemp(request.param)
    with contextlib.ExitStack() as stack:
        environment = {}
        if request.param == "real":
            environment["COMFYUI_URL"] = stack.enter_context(any_real_comfyui(folder))
        running = stack.enter_context(Fleet.up(folder / "data", **environment))
        for name, output in (("iv_missing_checkpoint", "9"), ("iv_b_missing_checkpoint_and_lora_partial", "12")):
            graph = json.loads((WORKFLOWS / f"{name}.json").read_text())
            running.import_workflow(name.replace("_", "-"), graph, output_node_id=output)
        yield running


def lacks_text_overlay(fleet: Fleet) -> bool:
    worker = fleet.get(f"/api/workers/{fleet.workers()[0]['worker_id']}")
    return "TextOverlay" not in worker["capabilities"]["node_classes"]


def assert_inverted(fleet: Fleet, done: dict[str, Any]) -> None:
    frames, codec, rate = frames_of(httpx.get(done["output_url"], timeout=60).content)
    source, _, source_rate = frames_of(sample_path().read_bytes())
    assert codec == "h264"
    assert frames.shape == source.shape
    assert abs(rate - source_rate) < 0.01
    upper = slice(0, source.shape[1] // 2)
    assert abs(frames[:, upper] - (255 - source[:, upper])).mean() < 8


def test_a_real_video_becomes_an_inverted_one(fleet: Fleet) -> None:
    job = fleet.submit("invert-video", input_video=fleet.upload(sample_path()))
    done = fleet.wait(job["id"])
    assert done["status"] == "completed", done["error"]
    assert_inverted(fleet, done)
    assert fleet.ledger(job["id"]) == ["reserve", "consume"]
    assert fleet.events(job["id"]) == ["queued", "leased", "started", "completed"]


def test_the_prompt_is_drawn_onto_the_frames_or_the_lacking_node_is_named(fleet: Fleet) -> None:
    job = fleet.submit("caption-video", input_video=fleet.upload(sample_path()), prompt=PROMPT)
    done = fleet.wait(job["id"])
    if lacks_text_overlay(fleet):
        assert done["status"] == "failed"
        assert "TextOverlay" in done["error"]["message"]
        assert fleet.ledger(job["id"]) == ["reserve", "refund"]
        return
    assert done["status"] == "completed", done["error"]
    assert_inverted(fleet, done)
    frames, _, _ = frames_of(httpx.get(done["output_url"], timeout=60).content)
    source, _, _ = frames_of(sample_path().read_bytes())
    drawn = (abs(frames - (255 - source)).max(axis=3) > 60)[:, source.shape[1] // 2 :]
    assert (drawn.mean(axis=(1, 2)) > 0.005).all()


def test_a_picture_is_inverted_even_under_a_strange_name(fleet: Fleet, tmp_path: Path) -> None:
    picture = np.full((20, 30, 3), (10, 100, 250), np.uint8)
    source = tmp_path / "..sträng & na me'.png"
    source.write_bytes(png(picture))
    job = fleet.submit("invert-image", input_image=fleet.upload(source, "image/png"))
    done = fleet.wait(job["id"])
    assert done["status"] == "completed", done["error"]
    result = pixels_of(httpx.get(done["output_url"], timeout=60).content)
    assert abs(result - (245, 155, 5)).max() <= 1


def test_a_missing_checkpoint_fails_with_node_input_and_file(fleet: Fleet) -> None:
    job = fleet.submit("iv-missing-checkpoint")
    failed = fleet.wait(job["id"])
    assert failed["status"] == "failed"
    error = failed["error"]
    assert (error["node_id"], error["node_type"], error["input_name"]) == ("4", "CheckpointLoaderSimple", "ckpt_name")
    assert "sd_xl_base_1.0.safetensors" in error["message"]
    assert fleet.ledger(job["id"]) == ["reserve", "refund"]


def test_two_outputs_of_which_one_is_invalid_are_a_failure(fleet: Fleet) -> None:
    job = fleet.submit("iv-b-missing-checkpoint-and-lora-partial")
    failed = fleet.wait(job["id"])
    assert failed["status"] == "failed"
    assert "not in" in failed["error"]["message"]
    assert fleet.ledger(job["id"]) == ["reserve", "refund"]


def test_a_file_that_is_no_video_fails_with_the_node_that_could_not_read_it(fleet: Fleet, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"this is no video")
    job = fleet.submit("invert-video", input_video=fleet.upload(broken))
    failed = fleet.wait(job["id"])
    assert failed["status"] == "failed"
    assert failed["error"]["node_type"] in {"LoadVideo", "GetVideoComponents"}
    assert fleet.ledger(job["id"]) == ["reserve", "refund"]


def test_the_demo_shows_states_credits_and_a_checked_result(fleet: Fleet, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    command = [sys.executable, "-m", "comfyfleet", "demo", "--data", str(fleet.data), "-o", str(output)]
    demo = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert demo.returncode == 0, demo.stdout + demo.stderr
    positions = [demo.stdout.index(word) for word in ("queued", "processing", "completed", " before, ", str(output))]
    assert positions == sorted(positions)
    assert "H.264, 72 frames" in demo.stdout
    assert ("it lacks TextOverlay" in demo.stdout) == lacks_text_overlay(fleet)
    assert ("text on" in demo.stdout) != lacks_text_overlay(fleet)
    assert output.stat().st_size > 10_000
