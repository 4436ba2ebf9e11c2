"""Which node's file is the result."""

import pytest

from comfyfleet.core.graphs import Graph
from comfyfleet.core.output_nodes import outputs_of


@pytest.mark.parametrize(
    ("class_type", "inputs", "expected"),
    [
        ("SaveVideo", {"format": "auto", "codec": "auto"}, ("mp4", "video/mp4")),
        ("SaveVideo", {"format": "mp4"}, ("mp4", "video/mp4")),
        ("SaveWEBM", {"codec": "vp9"}, ("webm", "video/webm")),
        ("VHS_VideoCombine", {"format": "video/h264-mp4"}, ("mp4", "video/mp4")),
        ("VHS_VideoCombine", {"format": "video/av1-webm"}, ("webm", "video/webm")),
        ("VHS_VideoCombine", {"format": "image/gif"}, ("gif", "image/gif")),
        ("VHS_VideoCombine", {"format": "video/ProRes"}, ("mov", "video/quicktime")),
        ("VHS_VideoCombine", {"format": ["7", 0]}, ("mp4", "video/mp4")),
        ("SaveImage", {}, ("png", "image/png")),
        ("SaveImageAdvanced", {"format": "webp"}, ("webp", "image/webp")),
        ("SaveAnimatedWEBP", {}, ("webp", "image/webp")),
        ("SaveAnimatedPNG", {}, ("png", "image/png")),
        ("SaveAudio", {}, ("flac", "audio/flac")),
        ("SaveAudioMP3", {"quality": "V0"}, ("mp3", "audio/mpeg")),
        ("SaveAudioOpus", {}, ("opus", "audio/ogg")),
        ("SaveAudioAdvanced", {"format": "mp3"}, ("mp3", "audio/mpeg")),
        ("SaveGLB", {}, ("glb", "model/gltf-binary")),
        ("Image Save", {"extension": "png"}, ("png", "image/png")),
        ("VAEDecode", {}, None),
    ],
)
def test_class_and_format_tell_the_type(
    class_type: str, inputs: dict[str, object], expected: tuple[str, str] | None
) -> None:
    graph: Graph = {"1": {"class_type": class_type, "inputs": inputs}}
    assert [(output.extension, output.mime_type) for output in outputs_of(graph)] == ([expected] if expected else [])


def test_videos_come_first_and_previews_last() -> None:
    classes = {"1": "PreviewImage", "2": "SaveImage", "3": "SaveVideo", "4": "PreviewAudio", "5": "VHS_VideoCombine"}
    graph: Graph = {node_id: {"class_type": name, "inputs": {}} for node_id, name in classes.items()}
    graph["5"]["inputs"]["save_output"] = False
    assert [output.node_id for output in outputs_of(graph)] == ["3", "2", "5", "4", "1"]
    assert outputs_of(graph)[0].name == "node 3 (SaveVideo)"
