import json
from pathlib import Path
from typing import Any, Final

import pytest

from comfyfleet.core.errors import ErrorKind
from comfyfleet.core.graphs import Graph
from comfyfleet.worker.errors import Place, PromptInvalid
from comfyfleet.worker.outcome.refusals import refusal

DATA: Final = Path(__file__).parents[3] / "data" / "comfyui"


def objection(name: str) -> PromptInvalid:
    record = json.loads((DATA / "records" / f"{name}.json").read_text())
    found = refusal(record["post_response"], graph(name))
    assert found is not None
    return found


def graph(name: str) -> Graph:
    path = DATA / "workflows" / f"{name.removeprefix('h375_')}.json"
    loaded: Graph = json.loads(path.read_text())
    return loaded


@pytest.mark.parametrize("name", ["iv_missing_checkpoint", "h375_iv_missing_checkpoint"])
def test_a_missing_checkpoint_is_told_with_node_input_and_file(name: str) -> None:
    error = objection(name)
    assert error.message == (
        "Node 4 (CheckpointLoaderSimple), input ckpt_name: 'sd_xl_base_1.0.safetensors' is not in the list of files "
        "on this machine (Value not in list)"
    )
    assert error.place == Place("4", "CheckpointLoaderSimple", "ckpt_name")
    assert error.kind is ErrorKind.INVALID
    assert not error.is_retryable


def test_an_accepted_prompt_with_node_errors_is_refused_all_the_same() -> None:
    error = objection("iv_b_missing_checkpoint_and_lora_partial")
    assert error.message.splitlines() == [
        (
            "Node 4 (CheckpointLoaderSimple), input ckpt_name: 'sd_xl_base_1.0.safetensors' is not in the list of "
            "files on this machine (Value not in list)"
        ),
        (
            "Node 10 (LoraLoaderModelOnly), input lora_name: 'nope.safetensors' is not in the list of "
            "files on this machine (Value not in list)"
        ),
    ]


def test_an_unknown_node_is_named_by_its_class() -> None:
    error = objection("iv_c_unknown_node")
    assert error.place == Place("1", "NoSuchCustomNode")
    assert error.message.startswith("Node 1 (NoSuchCustomNode): the ComfyUI on this machine has no such node")


def test_an_older_servers_unknown_node_is_found_in_the_details() -> None:
    body = {
        "error": {
            "type": "invalid_prompt",
            "message": "Cannot execute because node NoSuchCustomNode does not exist.",
            "details": "Node ID '#1'",
            "extra_info": {},
        },
        "node_errors": [],
    }
    error = refusal(body, {"1": {"class_type": "NoSuchCustomNode", "inputs": {}}})
    assert error is not None
    assert error.place == Place("1", "NoSuchCustomNode")
    assert "has no such node" in error.message


def test_a_missing_input_and_a_bad_link_are_one_sentence_each() -> None:
    assert objection("iv_d_missing_input_and_bad_link").message.splitlines() == [
        "Node 1 (EmptyImage), input batch_size: Required input is missing",
        (
            "Node 2 (SaveText), input text: received_type(IMAGE) mismatch input_type(STRING) "
            "(Return type mismatch between linked nodes)"
        ),
    ]


def test_a_workflow_without_outputs_is_told_without_a_node() -> None:
    error = objection("iv_e_no_outputs")
    assert error.message == "ComfyUI refused the workflow: Prompt has no outputs"
    assert error.place == Place()


def test_a_wrong_choice_is_not_called_a_file() -> None:
    body = json.loads((DATA / "records" / "iv_missing_checkpoint.json").read_text())["post_response"]
    body["node_errors"]["4"]["errors"][0]["extra_info"]["received_value"] = "euler_b"
    error = refusal(body, {})
    assert error is not None
    assert "'euler_b' is not one of the choices" in error.message


def test_many_objections_are_cut_short() -> None:
    one: dict[str, Any] = {"errors": [{"type": "t", "message": "M", "details": "d"}], "class_type": "C"}
    error = refusal({"node_errors": {str(number): one for number in range(13)}}, {})
    assert error is not None
    lines = error.message.splitlines()
    assert len(lines) == 11
    assert lines[-1] == "And 3 more."


@pytest.mark.parametrize("node_errors", [{}, [], None])
def test_nothing_is_objected_to_a_good_prompt(node_errors: object) -> None:
    assert refusal({"prompt_id": "p", "number": 1, "node_errors": node_errors}, {}) is None
