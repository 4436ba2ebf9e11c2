"""What is held in memory, what is not, and that nobody can tell."""

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from comfyfleet.core.graphs import Graph
from comfyfleet.standin.executor import Executor
from comfyfleet.standin.folders import Folders
from comfyfleet.standin.nodes import CATALOGUE
from comfyfleet.standin.state import Prompt

if TYPE_CHECKING:
    from tests.unit.standin.conftest import Graphs

FRAME = 64 * 64 * 3


def blur_graph(graphs: "Graphs", prefix: str) -> Graph:
    graph = graphs.image(prefix, width=64, height=64, batch_size=4)
    graph["3"] = {"class_type": "ImageBlur", "inputs": {"image": ["1", 0], "blur_radius": 3, "sigma": 1.0}}
    graph["4"] = {"class_type": "ImageInvert", "inputs": {"image": ["3", 0]}}
    graph["2"]["inputs"]["images"] = ["4", 0]
    return graph


def executor(base: Path, budget: int, sent: list[tuple[str, dict[str, Any]]]) -> Executor:
    def send(type_: str, data: dict[str, Any], _: str | None) -> None:
        sent.append((type_, data))

    return Executor(CATALOGUE, Folders(base), send, lambda: False, budget)


def prompt(graph: Graph, outputs: list[str]) -> Prompt:
    return Prompt(0, 0, str(uuid.uuid4()), graph, {"client_id": "me"}, outputs)


@pytest.mark.parametrize(("budget", "held"), [(0, 4), (8 * FRAME, 8), (100 * FRAME, 12)])
def test_frames_beyond_the_budget_are_not_held(tmp_path: Path, graphs: "Graphs", budget: int, held: int) -> None:
    """The four frames of the empty image are one that is repeated, and always count."""
    runs = executor(tmp_path, budget, [])
    assert runs.run(prompt(blur_graph(graphs, "x"), ["2"])).is_success
    assert runs.cache.held_bytes() == held * FRAME


def test_the_pictures_are_the_same_with_and_without_memory(tmp_path: Path, graphs: "Graphs") -> None:
    for budget, prefix in ((0, "without"), (100 * FRAME, "with")):
        assert executor(tmp_path, budget, []).run(prompt(blur_graph(graphs, prefix), ["2"])).is_success
    for number in range(1, 5):
        one, other = (Image.open(tmp_path / f"output/{name}_0000{number}_.png") for name in ("with", "without"))
        assert np.array_equal(np.asarray(one), np.asarray(other))


def test_the_next_prompt_forgets_what_it_does_not_share(tmp_path: Path, graphs: "Graphs") -> None:
    sent: list[tuple[str, dict[str, Any]]] = []
    runs = executor(tmp_path, 100 * FRAME, sent)
    graph = blur_graph(graphs, "x")
    runs.run(prompt(graph, ["2"]))
    runs.run(prompt(graphs.image("y"), ["2"]))
    runs.run(prompt(graph, ["2"]))
    cached = [data["nodes"] for type_, data in sent if type_ == "execution_cached"]
    assert cached == [[], [], []]


def test_the_cache_knows_a_node_by_what_it_does_and_not_by_its_id(tmp_path: Path, graphs: "Graphs") -> None:
    sent: list[tuple[str, dict[str, Any]]] = []
    runs = executor(tmp_path, 100 * FRAME, sent)
    runs.run(prompt(graphs.image("x"), ["2"]))
    renamed: Graph = {
        "a": graphs.image()["1"],
        "b": {"class_type": "SaveImage", "inputs": {"images": ["a", 0], "filename_prefix": "other"}},
    }
    runs.run(prompt(renamed, ["b"]))
    assert [data["nodes"] for type_, data in sent if type_ == "execution_cached"] == [[], ["a"]]


def test_what_one_node_gave_is_kept_if_a_later_one_fails(tmp_path: Path, graphs: "Graphs") -> None:
    runs = executor(tmp_path, 100 * FRAME, [])
    graph = blur_graph(graphs, "../outside")
    first, second = runs.run(prompt(graph, ["2"])), runs.run(prompt(graph, ["2"]))
    assert not first.is_success
    assert first.messages[-1][1]["exception_type"] == "comfyfleet.standin.folders.OutsideFolder"
    assert second.messages[1][1]["nodes"] == ["1", "3", "4"]
