"""What a server says of itself and of its nodes."""

from uuid import uuid4

import numpy as np
from tests.support.comfyui_target import Json, Target, png

from comfyfleet.up.seed import sample_path


def options_of(comfyui: Target, node: str, name: str) -> list[str]:
    """Return the choices of an input, in whichever of the two forms the server gives them."""
    info = comfyui.http.get(f"/object_info/{node}").json()[node]
    kind, *config = info["input"]["required"][name]
    options: list[str] = config[0]["options"] if kind == "COMBO" else kind
    return options


def test_system_stats_name_the_version_and_the_device(comfyui: Target) -> None:
    stats = comfyui.http.get("/system_stats").json()
    assert stats["system"]["comfyui_version"] == comfyui.version
    assert stats["system"]["ram_total"] > stats["system"]["ram_free"] > 0
    for key in ("os", "python_version", "pytorch_version", "argv"):
        assert stats["system"][key]
    [device, *_] = stats["devices"]
    assert {"name", "type", "index", "vram_total", "vram_free"} <= set(device)


def test_object_info_describes_a_node(comfyui: Target) -> None:
    info = comfyui.http.get("/object_info/CheckpointLoaderSimple").json()["CheckpointLoaderSimple"]
    assert info["output"] == ["MODEL", "CLIP", "VAE"]
    assert info["output_node"] is False
    assert info["input_order"] == {"required": ["ckpt_name"]}
    assert comfyui.http.get("/object_info/NoSuchNode").json() == {}


def test_object_info_describes_all_nodes_as_it_describes_each(comfyui: Target) -> None:
    whole: Json = comfyui.http.get("/object_info").json()
    for node in ("LoadVideo", "SaveImage", "KSampler"):
        assert whole[node] == comfyui.http.get(f"/object_info/{node}").json()[node]


def test_a_missing_model_is_a_list_of_choices_without_it(comfyui: Target) -> None:
    info = comfyui.http.get("/object_info/CheckpointLoaderSimple").json()["CheckpointLoaderSimple"]
    assert info["input"]["required"]["ckpt_name"][0] == []  # the form [[…], {}]
    assert options_of(comfyui, "CheckpointLoaderSimple", "ckpt_name") == []
    loader = comfyui.http.get("/object_info/LoadVideo").json()["LoadVideo"]
    assert loader["input"]["required"]["file"][0] == "COMBO"  # the form ["COMBO", {"options": […]}]


def test_a_file_that_is_added_while_it_runs_is_a_choice_at_once(comfyui: Target) -> None:
    picture, clip = f"{uuid4().hex}.png", f"{uuid4().hex}.mp4"
    assert picture not in options_of(comfyui, "LoadImage", "image")
    assert clip not in options_of(comfyui, "LoadVideo", "file")
    comfyui.upload(picture, png(np.zeros((8, 8, 3), np.uint8)))
    comfyui.upload(clip, sample_path().read_bytes())
    assert picture in options_of(comfyui, "LoadImage", "image")
    assert clip in options_of(comfyui, "LoadVideo", "file")
