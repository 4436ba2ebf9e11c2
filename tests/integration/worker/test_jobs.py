import asyncio
import hashlib
from pathlib import Path
from uuid import UUID

import pytest
from tests.integration.worker.conftest import (
    Crew,
    StandIn,
    first_pixel,
    invert_image,
    plain_image,
    red_png,
    standin,
    workflow,
)
from tests.integration.worker.plane import Plane, until

from comfyfleet.core.payloads import fill
from comfyfleet.core.properties import Property, PropertyType
from comfyfleet.core.workflows import WorkflowSpec


async def test_a_job_is_rendered_and_completed(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    job = plane.offer(invert_image("comfyfleet/job-1-1/3"), "3")
    plane.attach(job, "{{INPUT_IMAGE}}", "my photo.png", red_png())
    async with crew.worker(comfyui.url):
        completed = await plane.told("complete")
    stored = plane.outputs["out-1"]
    assert first_pixel(stored.content) == (0, 255, 255)
    assert stored.headers["content-type"] == "image/png"
    assert stored.headers["x-promised"] == "yes"
    assert stored.headers["content-length"] == str(len(stored.content))
    assert completed["dispatch_id"] == 1
    assert completed["output"]["size"] == len(stored.content)
    assert completed["output"]["mime_type"] == "image/png"
    assert completed["output"]["metadata"]["filename"] == "3_00001_.png"
    assert str(UUID(completed["provider_job_id"])) == completed["provider_job_id"]
    assert plane.of("heartbeat")
    assert not plane.of("fail")
    assert not plane.of("requeue")


async def test_no_token_reaches_storage(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    job = plane.offer(invert_image("a"), "3")
    plane.attach(job, "{{INPUT_IMAGE}}", "a.png", red_png())
    async with crew.worker(comfyui.url):
        await plane.told("complete")
    assert plane.outputs["out-1"].headers
    assert plane.storage_credentials == []


async def test_the_registration_says_what_the_machine_can_do(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    async with crew.worker(comfyui.url):
        registered = await plane.told("register")
    capabilities = registered["capabilities"]
    assert capabilities["heartbeat_interval_seconds"] == 0.3
    assert capabilities["is_standin"] is True
    assert capabilities["comfyui_version"]
    assert {"LoadImage", "SaveVideo"} <= set(capabilities["node_classes"])
    assert (registered["worker_id"], registered["fleet_slug"], registered["stage"]) == (
        "i-0test",
        "gpu-default",
        "local",
    )


async def test_the_required_fields_of_the_protocol_are_enough(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    job = plane.offer(invert_image("a", "{{INPUT_VIDEO}}"), "3")
    plane.attach(job, "", "unused.png", red_png())
    payload = job["input_payload"]
    job["input_url"] = payload.pop("assets")[0]["download_url"]
    payload |= {"input_path_placeholder": "{{INPUT_VIDEO}}", "input_name": "clip.png"}
    del job["attempt"]
    async with crew.worker(comfyui.url):
        await plane.told("complete")
    assert first_pixel(plane.outputs["out-1"].content) == (0, 255, 255)


async def test_a_placeholder_that_a_user_typed_stays_text(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    typed = 'Say "{{INPUT_IMAGE}}" \\ {{FILE_INPUT_IMAGE}} 🎬\nand again {{INPUT_IMAGE}}'
    graph = {
        **invert_image("a"),
        "4": {"class_type": "SaveText", "inputs": {"text": "{{PROMPT}}", "filename_prefix": "b", "format": "txt"}},
    }
    properties = (
        Property(key="input_image", type=PropertyType.IMAGE, placeholder="{{INPUT_IMAGE}}", is_primary_input=True),
        Property(key="prompt", type=PropertyType.TEXT, placeholder="{{PROMPT}}"),
    )
    spec = WorkflowSpec(graph, "4", "txt", "text/plain", properties)
    payload = fill(spec, {"input_image": "upload-1", "prompt": typed})
    job = plane.offer(payload.graph, "4", "txt", "text/plain")
    plane.attach(job, payload.files[0].placeholder, "a.png", red_png())
    async with crew.worker(comfyui.url):
        await plane.told("complete")
    assert plane.outputs["out-1"].content.decode() == typed


async def test_progress_is_told_while_it_renders(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    plane.offer(workflow("vi_long_run"), "99")

    def told() -> list[float]:
        return [beat["progress"]["value"] for beat in plane.of("heartbeat") if "progress" in beat]

    async with crew.worker(comfyui.url):
        await until(lambda: len(set(told())) >= 2, "progress")
        assert plane.of("heartbeat")[-1]["progress"]["node_type"] in {"EmptyImage", "ImageBlur"}
    assert told() == sorted(told())


async def test_as_many_jobs_are_held_as_the_settings_say(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    for _ in range(3):
        plane.offer(workflow("vi_long_run"), "99")
    async with crew.worker(comfyui.url, max_concurrency=2):
        await until(lambda: {beat["dispatch_id"] for beat in plane.of("heartbeat")} == {1, 2}, "two jobs")
        await until(lambda: len(comfyui.queue()) == 2, "two prompts")
        assert len(plane.waiting) == 1
    assert sorted(body["dispatch_id"] for body in plane.of("requeue")) == [1, 2]


async def test_a_job_leaves_nothing_on_the_workers_disk(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    leftover = crew.folder / "work" / "job-9-killed"
    leftover.mkdir(parents=True)
    job = plane.offer(invert_image("a"), "3")
    plane.attach(job, "{{INPUT_IMAGE}}", "a.png", red_png())
    async with crew.worker(comfyui.url):
        await plane.told("complete")
    assert list((crew.folder / "work").iterdir()) == []


async def test_two_files_of_one_name_stay_two(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    graph = {
        **invert_image("a", "{{SECOND}}"),
        "7": {"class_type": "LoadImage", "inputs": {"image": "{{FIRST}}"}},
        "8": {"class_type": "SaveImage", "inputs": {"images": ["7", 0], "filename_prefix": "other"}},
    }
    job = plane.offer(graph, "3")
    plane.attach(job, "{{FIRST}}", "a.png", red_png())
    plane.attach(job, "{{SECOND}}", "a.png", b"no picture at all")
    async with crew.worker(comfyui.url):
        failed = await plane.told("fail")
    assert failed["node_id"] == "1"


async def test_a_file_that_changed_on_its_way_is_not_rendered(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    job = plane.offer(invert_image("a"), "3")
    plane.attach(job, "{{INPUT_IMAGE}}", "a.png", red_png(), content_hash=hashlib.sha256(b"other").hexdigest())
    async with crew.worker(comfyui.url):
        failed = await plane.told("fail")
    assert (failed["error_code"], failed["retryable"]) == ("input_unavailable", True)
    assert "another content" in failed["error_message"]
    assert comfyui.endings() == []


async def test_a_file_that_is_gone_is_no_reason_to_try_again(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    job = plane.offer(invert_image("a"), "3")
    plane.attach(job, "{{INPUT_IMAGE}}", "a.png", red_png())
    plane.inputs.clear()
    async with crew.worker(comfyui.url):
        failed = await plane.told("fail")
    assert (failed["error_code"], failed["retryable"]) == ("input_missing", False)


async def test_a_file_too_large_for_comfyui_is_told_with_the_remedy(crew: Crew, plane: Plane, tmp_path: Path) -> None:
    with standin(tmp_path / "small", "--max-upload-size", "1") as comfyui:
        job = plane.offer(invert_image("a"), "3")
        plane.attach(job, "{{INPUT_IMAGE}}", "a.png", bytes(2 * 1024 * 1024))
        async with crew.worker(comfyui.url):
            failed = await plane.told("fail")
    assert (failed["error_code"], failed["retryable"]) == ("input_refused", False)
    assert "--max-upload-size" in failed["error_message"]


async def test_storage_that_refuses_for_a_moment_is_asked_again(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    plane.put_failures = 2
    plane.offer(plain_image("a"), "2")
    async with crew.worker(comfyui.url):
        completed = await plane.told("complete")
    assert completed["output"]["size"] == len(plane.outputs["out-1"].content)


async def test_a_cached_answer_whose_file_is_gone_may_be_tried_again(
    crew: Crew, plane: Plane, comfyui: StandIn
) -> None:
    async with crew.worker(comfyui.url):
        plane.offer(plain_image("same"), "2")
        await plane.told("complete")
        (made,) = await asyncio.to_thread(lambda: list((comfyui.folder / "output").glob("same*.png")))
        made.unlink()
        plane.offer(plain_image("same"), "2")
        failed = await plane.told("fail")
    assert (failed["error_code"], failed["retryable"]) == ("output_lost", True)
    assert made.name in failed["error_message"]


async def test_prompts_of_an_earlier_life_are_withdrawn(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    owners = {"ours": {"worker_id": "i-0test"}, "foreign": {"worker_id": "i-0other"}}
    for owner in ("ours", "foreign"):
        comfyui.submit({"prompt": workflow("vi_long_run"), "extra_data": {"comfyfleet": owners[owner]}})
    async with crew.worker(comfyui.url):
        await until(lambda: comfyui.endings() == ["execution_interrupted"], "the interrupt of the first")
        assert len(comfyui.queue()) == 1


@pytest.mark.parametrize("extension", ["webm", "mp4"])
async def test_an_output_of_another_kind_is_a_failure(
    crew: Crew, plane: Plane, comfyui: StandIn, extension: str
) -> None:
    plane.offer(plain_image("a"), "2", extension)
    async with crew.worker(comfyui.url):
        failed = await plane.told("fail")
    assert (failed["error_code"], failed["retryable"], failed["node_id"]) == ("output_missing", False, "2")
