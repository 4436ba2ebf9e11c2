from datetime import UTC, datetime
from typing import Any

import pytest

from comfyfleet.core.graphs import Graph
from comfyfleet.protocol.worker import FileAsset, InputPayload, LeasedJob
from comfyfleet.worker.inputs import filenames, files_of, with_names


def asset(**changes: Any) -> FileAsset:
    blank = FileAsset(
        key="clip", type="video", placeholder="{{CLIP}}", download_url="https://s3/t/a%20b.mp4?X-Amz-Signature=s"
    )
    return blank.model_copy(update=changes)


def job(**payload: Any) -> LeasedJob:
    return LeasedJob(
        dispatch_id=1,
        lease_token="t",
        lease_expires_at=datetime.now(UTC),
        tenant_id="t",
        job_id=1,
        effect_id=1,
        input_url="https://s3/in.mp4?signature=s",
        output_url="https://s3/out.mp4",
        input_payload=InputPayload(
            workflow={}, output_node_id="9", output_extension="mp4", output_mime_type="video/mp4", **payload
        ),
    )


def test_placeholders_become_the_names_that_comfyui_gave() -> None:
    graph: Graph = {
        "1": {"class_type": "LoadVideo", "inputs": {"file": "{{CLIP}}", "note": "of {{CLIP}}", "link": ["2", 0]}}
    }
    named = with_names(graph, {"{{CLIP}}": "comfyfleet/job-1-1/clip.mp4"})
    assert named["1"]["inputs"] == {
        "file": "comfyfleet/job-1-1/clip.mp4",
        "note": "of comfyfleet/job-1-1/clip.mp4",
        "link": ["2", 0],
    }
    assert graph["1"]["inputs"]["file"] == "{{CLIP}}"


def test_what_was_placed_is_not_searched_again() -> None:
    graph = {"1": {"class_type": "A", "inputs": {"a": "{{A}}", "b": "{{B}}"}}}
    named = with_names(graph, {"{{A}}": "x/{{B}}.png", "{{B}}": "x/b.png"})
    assert named["1"]["inputs"] == {"a": "x/{{B}}.png", "b": "x/b.png"}


def test_titles_and_classes_are_left_alone() -> None:
    graph = {"1": {"class_type": "{{A}}", "inputs": {"a": 1}, "_meta": {"title": "{{A}}"}}}
    assert with_names(graph, {"{{A}}": "x"}) == graph


def test_a_job_without_files_is_left_as_it_is() -> None:
    graph = {"1": {"class_type": "A", "inputs": {"a": "{{A}}"}}}
    assert with_names(graph, {}) == graph


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("../../etc/passwd", "passwd"),
        ("my clip (1).MP4", "my-clip-1.MP4"),
        (None, "b.mp4"),
        ("日本.mp4", "file.mp4"),
        ("日本", "file"),
    ],
)
def test_a_name_is_harmless_and_keeps_its_extension(filename: str | None, name: str) -> None:
    assert filenames([asset(filename=filename, download_url="https://s3/a/b.mp4?x=y")]) == [name]


def test_two_files_of_one_name_are_told_apart() -> None:
    files = [asset(key="first", filename="a.png"), asset(key="second", filename="A.png")]
    assert filenames(files) == ["a.png", "second-A.png"]


def test_the_required_fields_alone_name_one_file() -> None:
    (file,) = files_of(job(input_path_placeholder="{{INPUT_VIDEO}}", input_name="clip.mp4"))
    assert (file.placeholder, file.filename) == ("{{INPUT_VIDEO}}", "clip.mp4")
    assert file.download_url == "https://s3/in.mp4?signature=s"


def test_assets_are_taken_where_they_are_given() -> None:
    assert files_of(job(assets=[asset()], input_path_placeholder="{{CLIP}}")) == [asset()]


def test_a_job_from_text_alone_has_no_files() -> None:
    assert files_of(job()) == []
