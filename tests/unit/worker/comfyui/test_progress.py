import json
from pathlib import Path
from typing import Any, Final

import pytest

from comfyfleet.worker.comfyui.progress import Heard, ProgressCounter

RECORDS: Final = Path(__file__).parents[3] / "data" / "comfyui" / "records"


def record(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((RECORDS / f"{name}.json").read_text())
    return loaded


def graph_of(recorded: dict[str, Any]) -> dict[str, Any]:
    graph: dict[str, Any] = next(iter(recorded["history"].values()))["prompt"][2]
    return graph


@pytest.mark.parametrize("name", ["i_first", "ii_video", "iii_overlay", "iii_text", "cdel2_cached_deleted_output"])
def test_a_recorded_success_counts_up_to_one_and_ends(name: str) -> None:
    recorded = record(name)
    counter = ProgressCounter(graph_of(recorded))
    values, heard = [], []
    for event in recorded["ws"]:
        heard.append(counter.hear(event))
        values.append(counter.progress.value)
    assert values == sorted(values)
    assert values[-1] == 1.0
    assert Heard.END in heard


def test_three_nodes_are_a_third_each() -> None:
    recorded = record("i_first")
    counter = ProgressCounter(graph_of(recorded))
    seen = {}
    for event in recorded["ws"]:
        if counter.hear(event) is Heard.PROGRESS:
            seen[counter.progress.node_type] = round(counter.progress.value, 2)
    assert seen == {"LoadImage": 0.33, "ImageInvert": 0.67, "SaveImage": 1.0}


@pytest.mark.parametrize("name", ["v_exec_error", "vi_interrupt_targeted", "vi_interrupt_global"])
def test_an_error_and_an_interrupt_are_ends(name: str) -> None:
    recorded = record(name)
    counter = ProgressCounter(graph_of(recorded))
    assert [counter.hear(event) for event in recorded["ws"]].count(Heard.END) == 2
    assert counter.progress.value < 1


def test_steps_inside_a_node_count() -> None:
    counter = ProgressCounter({"1": {"class_type": "A", "inputs": {}}, "2": {"class_type": "KSampler", "inputs": {}}})
    counter.hear({"type": "execution_cached", "data": {"nodes": ["1"]}})
    counter.hear({"type": "executing", "data": {"node": "2"}})
    assert counter.hear({"type": "progress", "data": {"node": "2", "value": 5, "max": 20}}) is Heard.PROGRESS
    assert counter.progress.value == pytest.approx(0.625)
    assert (counter.progress.node_id, counter.progress.node_type) == ("2", "KSampler")


def test_it_never_goes_back() -> None:
    counter = ProgressCounter({"1": {"class_type": "KSampler", "inputs": {}}})
    for value in (8, 2):
        counter.hear({"type": "progress", "data": {"node": "1", "value": value, "max": 10}})
        assert counter.progress.value == 0.8


def test_nodes_that_another_expands_into_are_not_counted() -> None:
    counter = ProgressCounter({"1": {"class_type": "Loop", "inputs": {}}})
    nodes = {"1.0.5": {"state": "finished", "value": 1, "max": 1}}
    assert counter.hear({"type": "progress_state", "data": {"nodes": nodes}}) is Heard.NOTHING
    assert counter.progress.value == 0


@pytest.mark.parametrize(
    "event", [{}, {"type": "status", "data": None}, {"type": "crystools", "data": {"x": 1}}, {"type": "progress"}]
)
def test_what_is_not_about_the_prompt_says_nothing(event: dict[str, Any]) -> None:
    counter = ProgressCounter({"1": {"class_type": "A", "inputs": {}}})
    assert counter.hear(event) is Heard.NOTHING
