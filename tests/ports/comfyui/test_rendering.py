"""Workflows render to the pixels that they say, on the stand-in and on a real ComfyUI."""

import numpy as np
from tests.support.comfyui_target import Target, frames_of, pixels_of

from comfyfleet.up.seed import sample_path


def assert_refused_for_lack_of_nodes(comfyui: Target, graph: dict[str, object], lacking: set[str]) -> None:
    """A server that lacks a node says so; nothing else is to be tested on it then."""
    answer = comfyui.submit(graph)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["type"] == ("invalid_prompt" if comfyui.is_old else "missing_node_type")
    named = error["message"] if comfyui.is_old else error["extra_info"]["class_type"]
    assert any(name in named for name in lacking)


def test_an_image_is_inverted(comfyui: Target) -> None:
    entry = comfyui.run(comfyui.graph("i_image_invert"))
    assert entry["status"]["status_str"] == "success"
    [output] = entry["outputs"]["3"]["images"]
    source = pixels_of(comfyui.view({"filename": "test.png", "type": "input"}))
    difference = np.abs(pixels_of(comfyui.view(output)) - (255 - source))
    assert difference.max() <= 1  # a real ComfyUI computes in floats and rounds down


def test_a_video_is_inverted_and_blurred_with_its_length_and_sound(comfyui: Target) -> None:
    entry = comfyui.run(comfyui.graph("ii_video_invert_blur"))
    [output] = entry["outputs"]["6"]["images"]
    assert entry["outputs"]["6"]["animated"] == [True]
    assert output["filename"].endswith(".mp4")
    frames, codec, rate = frames_of(comfyui.view(output))
    source, _, source_rate = frames_of(sample_path().read_bytes())
    assert codec == "h264"
    assert frames.shape == source.shape
    assert abs(rate - source_rate) < 0.01
    assert np.abs(frames.mean(axis=(1, 2)) - (255 - source).mean(axis=(1, 2))).max() < 6
    sharpness = np.abs(np.diff(frames, axis=2)).mean()
    assert sharpness < np.abs(np.diff(source, axis=2)).mean()


def test_a_prompt_is_drawn_onto_every_frame(comfyui: Target) -> None:
    graph = comfyui.graph("iii_video_text_overlay_PROMPT")
    lacking = comfyui.lacks(graph)
    if lacking:
        assert_refused_for_lack_of_nodes(comfyui, graph, lacking)
        return
    graph["3"]["inputs"]["text"] = "HELLO COMFYFLEET"
    graph["3"]["inputs"]["color"] = "#ff00ff"
    [output] = comfyui.run(graph)["outputs"]["6"]["images"]
    frames, _, _ = frames_of(comfyui.view(output))
    source, _, _ = frames_of(sample_path().read_bytes())
    changed = np.abs(frames - source).max(axis=3) > 60
    lower = changed[:, changed.shape[1] // 2 :]
    assert (lower.mean(axis=(1, 2)) > 0.002).all()
    assert changed[:, : changed.shape[1] // 3].mean() < 0.002


def test_text_alone_goes_through_unchanged(comfyui: Target) -> None:
    graph = comfyui.graph("iii_b_text_only_PROMPT")
    text = 'quotes " and \\ and 🎬\nsecond line {{OTHER}}'
    graph["1"]["inputs"]["value"] = text
    lacking = comfyui.lacks(graph)
    if lacking:
        assert_refused_for_lack_of_nodes(comfyui, graph, lacking)
        del graph["3"]
    outputs = comfyui.run(graph)["outputs"]
    assert outputs["2"]["text"] == [text]
    if not lacking:
        [file] = outputs["3"]["text"] if "text" in outputs["3"] else outputs["3"]["files"]
        if isinstance(file, dict):
            assert comfyui.view(file).decode() == text


def test_the_same_prompt_again_is_answered_from_the_cache_with_the_old_file(comfyui: Target) -> None:
    graph = comfyui.graph("i_image_invert")
    # 0.3.75 lists a cached node's outputs only for a prompt that names its client.
    first, second = (comfyui.run(graph, client_id="somebody") for _ in range(2))
    assert first["outputs"]["3"]["images"] == second["outputs"]["3"]["images"]
    cached = dict(second["status"]["messages"])["execution_cached"]["nodes"]
    assert sorted(cached) == ["1", "2", "3"]


def test_another_prefix_makes_a_new_file(comfyui: Target) -> None:
    graph = comfyui.graph("i_image_invert")
    first = comfyui.run(graph)["outputs"]["3"]["images"]
    graph["3"]["inputs"]["filename_prefix"] += "-again"
    assert comfyui.run(graph)["outputs"]["3"]["images"] != first


def test_an_execution_error_names_the_node(comfyui: Target) -> None:
    entry = comfyui.run(comfyui.graph("v_exec_error"))
    assert entry["status"]["status_str"] == "error"
    assert entry["status"]["completed"] is False
    error = dict(entry["status"]["messages"])["execution_error"]
    assert error["node_id"] == "1"
    assert error["node_type"] == "LoadImage"
    assert "cannot identify image file" in error["exception_message"]
    assert error["exception_type"].endswith("UnidentifiedImageError")
    assert error["current_inputs"] == {"image": ["broken.png"]}
    assert entry["outputs"] == {}


def test_an_error_after_an_output_keeps_the_output_and_is_an_error(comfyui: Target) -> None:
    graph = comfyui.graph("v_b_exec_error_after_partial_output")
    if comfyui.is_old:
        graph["3"]["inputs"]["image"] = ["1", 0]  # its SaveImage has no output to link to
    entry = comfyui.run(graph)
    assert entry["status"]["status_str"] == "error"
    error = dict(entry["status"]["messages"])["execution_error"]
    assert (error["node_id"], error["node_type"]) == ("3", "ImageBlur")
    assert "Padding size should be less" in error["exception_message"]
    [output] = entry["outputs"]["2"]["images"]
    assert (pixels_of(comfyui.view(output)) == (0, 0, 255)).all()


def test_an_error_keeps_the_outputs_of_what_ran_before_it(comfyui: Target) -> None:
    entry = comfyui.run(comfyui.graph("v_exec_error_partial_output"))
    assert entry["status"]["status_str"] == "error"
    error = dict(entry["status"]["messages"])["execution_error"]
    assert (error["node_id"], error["node_type"]) == ("3", "LoadImage")
    # Which of the two branches is first is the server's choice, and a real one's choice changes from start to start.
    assert set(entry["outputs"]) == {"2"} & set(error["executed"])
