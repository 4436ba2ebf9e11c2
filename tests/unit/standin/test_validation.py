from pathlib import Path
from typing import Any

import pytest

from comfyfleet.core.graphs import Graph
from comfyfleet.standin.folders import Folders
from comfyfleet.standin.nodes import CATALOGUE
from comfyfleet.standin.validation import Verdict, types_match, validate

IMAGE: dict[str, Any] = {"width": 8, "height": 8, "batch_size": 1, "color": 0}


def judged(tmp_path: Path, graph: Graph) -> Verdict:
    return validate(graph, CATALOGUE, Folders(tmp_path))


def graph_of(class_type: str, inputs: dict[str, Any]) -> Graph:
    """Return a graph whose node 1 is judged: its output is previewed."""
    return {
        "1": {"class_type": class_type, "inputs": inputs},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
    }


def only_error(verdict: Verdict, node_id: str = "1") -> dict[str, Any]:
    assert verdict.error is not None
    assert list(verdict.node_errors) == [node_id]
    (error,) = verdict.node_errors[node_id]["errors"]
    found: dict[str, Any] = error
    return found


@pytest.mark.parametrize(
    ("changed", "type_", "details"),
    [
        ({"width": 0}, "value_smaller_than_min", "width"),
        ({"width": 99999}, "value_bigger_than_max", "width"),
        ({"width": "wide"}, "invalid_input_type", "width, wide, invalid literal for int() with base 10: 'wide'"),
        ({"width": ["9"]}, "bad_linked_input", "width"),
    ],
)
def test_a_value_out_of_bounds_is_named(tmp_path: Path, changed: dict[str, Any], type_: str, details: str) -> None:
    error = only_error(judged(tmp_path, graph_of("EmptyImage", IMAGE | changed)))
    assert (error["type"], error["details"]) == (type_, details)
    assert error["extra_info"]["input_name"] == "width"


def test_a_value_of_another_type_is_converted_in_the_graph(tmp_path: Path) -> None:
    graph = graph_of("EmptyImage", IMAGE | {"width": "7", "height": 8.9})
    assert judged(tmp_path, graph).outputs == ["2"]
    assert (graph["1"]["inputs"]["width"], graph["1"]["inputs"]["height"]) == (7, 8)


def test_a_choice_that_there_is_not_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    graph = graph_of("SaveText", {"text": ["3", 0], "filename_prefix": "x", "format": "exe"})
    graph["3"] = {"class_type": "PrimitiveString", "inputs": {"value": "x"}}
    del graph["2"]
    error = only_error(judged(tmp_path, graph))
    assert error["type"] == "value_not_in_list"
    assert error["details"] == "format: 'exe' not in ['txt', 'md', 'json']"


def test_a_long_list_of_choices_is_only_counted(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    (tmp_path / "models" / "vae").mkdir(parents=True)
    for index in range(21):
        (tmp_path / "models" / "vae" / f"{index}.pt").touch()
    error = only_error(validate(graph_of("VAELoader", {"vae_name": "none"}), CATALOGUE, folders))
    assert error["details"] == "vae_name: 'none' not in (list of length 21)"
    assert error["extra_info"]["input_config"] is None


@pytest.mark.parametrize("name", ["none.png", "../secret.png", "", "."])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.png").touch()
    error = only_error(judged(tmp_path, graph_of("LoadImage", {"image": name})))
    assert error["type"] == "custom_validation_failed"
    assert error["details"] == f"image - Invalid image file: {name}"


def test_a_file_in_a_subfolder_or_another_folder_is_accepted(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    (tmp_path / "input" / "job").mkdir()
    (tmp_path / "input" / "job" / "a.mp4").touch()
    (tmp_path / "output" / "b.mp4").touch()
    for name in ("job/a.mp4", "b.mp4 [output]"):
        assert validate(graph_of("LoadVideo", {"file": name}), CATALOGUE, folders).error is None


@pytest.mark.parametrize(
    ("link", "exception"), [(["9", 0], "KeyError"), (["1", 7], "IndexError"), ([["1"], 0], "TypeError")]
)
def test_a_link_to_nowhere_is_a_fault_of_the_node_that_has_it(tmp_path: Path, link: list[Any], exception: str) -> None:
    graph = graph_of("EmptyImage", IMAGE)
    graph["2"]["inputs"]["source"] = link
    error = only_error(judged(tmp_path, graph), "2")
    assert error["type"] == "exception_during_validation"
    assert error["extra_info"]["exception_type"] == exception


def test_a_cycle_is_refused(tmp_path: Path) -> None:
    graph = graph_of("ImageInvert", {"image": ["3", 0]})
    graph["3"] = {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}}
    error = only_error(judged(tmp_path, graph))
    assert error["type"] == "exception_during_inner_validation"
    assert "cycle" in error["details"]


def test_a_node_without_inputs_is_refused(tmp_path: Path) -> None:
    graph: Graph = {"1": {"class_type": "PreviewAny"}}
    assert only_error(judged(tmp_path, graph))["extra_info"]["exception_type"] == "KeyError"


def test_a_node_without_a_class_is_refused(tmp_path: Path) -> None:
    verdict = judged(tmp_path, {"1": {"inputs": {}}})
    assert verdict.error is not None
    assert verdict.error["type"] == "missing_node_type"
    assert "has no class_type" in verdict.error["message"]


def test_an_input_that_the_class_does_not_declare_is_ignored(tmp_path: Path) -> None:
    graph = graph_of("EmptyImage", IMAGE | {"extra": ["99", 0], "other": "x"})
    assert judged(tmp_path, graph).error is None


@pytest.mark.parametrize(
    ("inputs", "is_good"),
    [
        ({"format": "mp4", "codec": "h264"}, True),
        ({"format": "mp4", "format.codec": "h264"}, True),
        ({"format": "auto"}, True),
        ({"format": "webm"}, False),
        ({"format": "mp4", "codec": "av1"}, False),
    ],
)
def test_a_video_is_saved_as_h264_or_not_at_all(tmp_path: Path, inputs: dict[str, str], is_good: bool) -> None:
    folders = Folders(tmp_path)
    (tmp_path / "input" / "a.mp4").touch()
    graph: Graph = {
        "1": {"class_type": "LoadVideo", "inputs": {"file": "a.mp4"}},
        "2": {"class_type": "SaveVideo", "inputs": {"video": ["1", 0], "filename_prefix": "x", **inputs}},
    }
    assert (validate(graph, CATALOGUE, folders).error is None) is is_good


@pytest.mark.parametrize(
    ("received", "wanted", "fit"),
    [
        ("IMAGE", "IMAGE", True),
        ("IMAGE", "*", True),
        ("*", "IMAGE", True),
        ("INT", "INT,FLOAT", True),
        ("STRING", "INT, FLOAT", False),
        ("STRING", ["a"], False),
    ],
)
def test_types_fit_if_they_share_one(received: str, wanted: object, fit: bool) -> None:
    assert types_match(received, wanted) is fit
