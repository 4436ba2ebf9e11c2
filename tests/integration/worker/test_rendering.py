"""A worker's whole way with a job, against a stand-in for ComfyUI."""

import io
import json

from PIL import Image
from tests.integration.worker.machine import quick_graph, until_idle, working
from tests.integration.worker.plane import Plane

from comfyfleet.worker.settings import WorkerSettings


def png(color: tuple[int, int, int], size: int = 4) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), color).save(buffer, "PNG")
    return buffer.getvalue()


async def test_a_job_is_rendered_uploaded_and_completed(plane: Plane, settings: WorkerSettings) -> None:
    asset = plane.put_input("my photo.png", png((255, 0, 0)), "{{INPUT_IMAGE}}")
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "{{INPUT_IMAGE}}"}},
        "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "whole/way"}},
    }
    plane.give(graph, "3", assets=[asset])
    async with working(settings):
        completed = await plane.heard("complete")

    output = plane.objects["/objects/output-7.png"]
    assert Image.open(io.BytesIO(output)).convert("RGB").getpixel((0, 0)) == (0, 255, 255)
    assert completed["output"]["size"] == len(output)
    assert completed["output"]["mime_type"] == "image/png"
    assert plane.verbs == ["complete"]
    assert plane.of("heartbeat"), "no heartbeat was sent at the start"


async def test_storage_never_sees_the_workers_token(plane: Plane, settings: WorkerSettings) -> None:
    asset = plane.put_input("a.png", png((1, 2, 3)), "{{INPUT_IMAGE}}")
    graph = quick_graph("tokens")
    graph["1"] = {"class_type": "LoadImage", "inputs": {"image": "{{INPUT_IMAGE}}"}}
    plane.give(graph, "2", assets=[asset])
    async with working(settings):
        await plane.heard("complete")

    assert len(plane.storage_headers) == 2
    assert not any("authorization" in headers for headers in plane.storage_headers)
    put = plane.storage_headers[1]
    assert put["content-type"] == "image/png"
    assert put["content-length"] == str(len(plane.objects["/objects/output-7.png"]))
    assert "transfer-encoding" not in put


async def test_a_worker_registers_with_what_its_machine_can_do(plane: Plane, settings: WorkerSettings) -> None:
    async with working(settings):
        registered = await plane.heard("register")

    found = registered["capabilities"]
    assert found["is_standin"] is True
    assert "SaveImage" in found["node_classes"]
    assert found["heartbeat_interval_seconds"] == 0.2
    assert registered["worker_id"] == "i-0test"
    assert registered["registration_source"] == "fleet"


async def test_a_worker_that_is_stopped_deregisters(plane: Plane, settings: WorkerSettings) -> None:
    async with working(settings):
        await plane.heard("poll")
    assert plane.of("deregister")


async def test_a_file_placeholder_that_a_user_typed_stays_text(plane: Plane, settings: WorkerSettings) -> None:
    """The control plane renames the placeholder of a file when the job's text would contain it."""
    asset = plane.put_input("a.png", png((1, 2, 3)), "{{FILE_INPUT_0123456789ab}}")
    typed = 'a {{INPUT_IMAGE}} "quoted" 🦊'
    graph = quick_graph("typed")
    graph["1"] = {"class_type": "LoadImage", "inputs": {"image": "{{FILE_INPUT_0123456789ab}}"}}
    graph["3"] = {"class_type": "PrimitiveString", "inputs": {"value": typed}}
    graph["4"] = {"class_type": "PreviewAny", "inputs": {"source": ["3", 0]}}
    plane.give(graph, "2", assets=[asset])
    async with working(settings) as tools:
        completed = await plane.heard("complete")
        entry = await tools.comfyui.history(completed["provider_job_id"])

    assert entry is not None
    assert entry["outputs"]["4"]["text"] == [typed]
    assert entry["prompt"][2]["1"]["inputs"]["image"] == "comfyfleet-job-7-1/a.png"


async def test_a_missing_checkpoint_fails_with_node_input_and_file(plane: Plane, settings: WorkerSettings) -> None:
    graph = {
        "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sdxl.safetensors"}},
        "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["4", 2]}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "x"}},
    }
    plane.give(graph, "9")
    async with working(settings):
        failed = await plane.heard("fail")

    assert (failed["node_id"], failed["node_type"]) == ("4", "CheckpointLoaderSimple")
    assert failed["input_name"] == "ckpt_name"
    assert "'sdxl.safetensors'" in failed["error_message"]
    assert failed["retryable"] is False
    assert plane.verbs == ["fail"]


async def test_a_prompt_of_which_only_a_part_is_valid_fails(
    plane: Plane, settings: WorkerSettings, comfyui_url: str
) -> None:
    """ComfyUI answers 200 and runs the valid part."""
    graph = quick_graph("partial")
    graph["4"] = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sdxl.safetensors"}}
    graph["5"] = {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}}
    graph["8"] = {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["4", 2]}}
    graph["9"] = {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "x"}}
    plane.give(graph, "2")
    async with working(settings):
        failed = await plane.heard("fail")

    assert failed["node_id"] == "4"
    assert failed["retryable"] is False
    assert plane.verbs == ["fail"]
    await until_idle(comfyui_url)


async def test_a_node_that_raises_fails_the_job_with_its_words(plane: Plane, settings: WorkerSettings) -> None:
    asset = plane.put_input("broken.png", b"this is no picture", "{{INPUT_IMAGE}}")
    graph = quick_graph("broken")
    graph["1"] = {"class_type": "LoadImage", "inputs": {"image": "{{INPUT_IMAGE}}"}}
    plane.give(graph, "2", assets=[asset])
    async with working(settings):
        failed = await plane.heard("fail")

    assert failed["node_id"] == "1"
    assert failed["node_type"] == "LoadImage"
    assert failed["error_code"] == "execution_failed"
    assert failed["retryable"] is False


async def test_an_input_larger_than_comfyui_takes_says_what_to_change(plane: Plane, settings: WorkerSettings) -> None:
    asset = plane.put_input("large.bin", bytes(2 * 1024 * 1024), "{{INPUT_IMAGE}}")
    plane.give(quick_graph("large"), "2", assets=[asset])
    async with working(settings):
        failed = await plane.heard("fail")

    assert "--max-upload-size" in failed["error_message"]
    assert failed["retryable"] is False


async def test_an_input_with_another_content_than_was_uploaded_is_not_rendered(
    plane: Plane, settings: WorkerSettings
) -> None:
    asset = plane.put_input("a.png", png((1, 2, 3)), "{{INPUT_IMAGE}}", content_hash="0" * 64)
    plane.give(quick_graph("tampered"), "2", assets=[asset])
    async with working(settings):
        failed = await plane.heard("fail")

    assert failed["error_code"] == "input_unavailable"
    assert failed["retryable"] is True
    assert "secret" not in json.dumps(failed), "a signature was told"


async def test_an_input_that_is_not_in_storage_fails_for_good(plane: Plane, settings: WorkerSettings) -> None:
    asset = plane.put_input("a.png", b"", "{{INPUT_IMAGE}}", download_url=f"{plane.url}/objects/b?signature=secret")
    plane.give(quick_graph("gone"), "2", assets=[asset])
    async with working(settings):
        failed = await plane.heard("fail")

    assert failed["error_code"] == "input_missing"
    assert failed["retryable"] is False


async def test_the_output_node_must_make_a_file_of_the_promised_kind(plane: Plane, settings: WorkerSettings) -> None:
    graph = quick_graph("promised")
    graph["3"] = {"class_type": "PrimitiveString", "inputs": {"value": "words"}}
    graph["4"] = {"class_type": "PreviewAny", "inputs": {"source": ["3", 0]}}
    plane.give(graph, "4")
    async with working(settings):
        failed = await plane.heard("fail")

    assert failed["error_code"] == "output_missing"
    assert failed["node_id"] == "4"
    assert "/objects/output-7.png" not in plane.objects
