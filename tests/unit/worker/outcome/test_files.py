import json
from pathlib import Path
from typing import Any, Final

import pytest

from comfyfleet.worker.errors import OutputMissing
from comfyfleet.worker.outcome.files import OutputFile, result_file

RECORDS: Final = Path(__file__).parents[3] / "data" / "comfyui" / "records"


def entry(name: str) -> dict[str, Any]:
    history: dict[str, dict[str, Any]] = json.loads((RECORDS / f"{name}.json").read_text())["history"]
    return next(iter(history.values()))


def test_an_image_is_found() -> None:
    assert result_file(entry("i_first"), "3", "png") == OutputFile("invert_00001_.png", "job-i", "output")


def test_a_video_is_found_under_images() -> None:
    assert result_file(entry("ii_video"), "6", "mp4") == OutputFile("out_00001_.mp4", "job-ii", "output")


@pytest.mark.parametrize("key", ["images", "gifs", "videos", "audio", "files", "3d", "anything"])
def test_the_key_says_nothing(key: str) -> None:
    made = {"outputs": {"9": {key: [{"filename": "a.mp4", "subfolder": "s", "type": "output"}], "text": ["words"]}}}
    assert result_file(made, "9", "mp4").filename == "a.mp4"


def test_a_saved_file_comes_before_a_preview() -> None:
    files = [{"filename": f"{kind}.png", "subfolder": "", "type": kind} for kind in ("temp", "output")]
    assert result_file({"outputs": {"9": {"images": files}}}, "9", "png").filename == "output.png"


def test_the_extension_chooses_among_several_files() -> None:
    files = [{"filename": name, "type": "output"} for name in ("first.png", "clip.MP4", "late.mp4")]
    assert result_file({"outputs": {"9": {"gifs": files}}}, "9", "mp4").filename == "clip.MP4"


def test_jpeg_is_jpg() -> None:
    assert result_file({"outputs": {"9": {"images": [{"filename": "a.jpeg"}]}}}, "9", "jpg").filename == "a.jpeg"


def test_another_nodes_file_is_not_the_result() -> None:
    with pytest.raises(OutputMissing, match=r"Node 9 \(SaveImage\) is to make a \.png file.* it made nothing"):
        result_file(entry("iv_b_missing_checkpoint_and_lora_partial"), "9", "png", "SaveImage")


def test_a_file_of_another_kind_is_named() -> None:
    with pytest.raises(OutputMissing, match=r"made out_00001_\.mp4") as caught:
        result_file(entry("ii_video"), "6", "webm")
    assert not caught.value.is_retryable
