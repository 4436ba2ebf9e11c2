"""A prompt that cannot run is refused in ComfyUI's own words."""

import json
from typing import Final

from tests.support.comfyui_target import WORKFLOWS, Json, Target

RECORDS: Final = WORKFLOWS.parent / "records"
UNKNOWN_NODE_OF_0_3: Final[Json] = {
    "error": {
        "type": "invalid_prompt",
        "message": "Cannot execute because node NoSuchCustomNode does not exist.",
        "details": "Node ID '#1'",
        "extra_info": {},
    },
    "node_errors": {},
}


def errors_of(answer: Json, node_id: str) -> list[tuple[str, str]]:
    return [(error["type"], error["details"]) for error in answer["node_errors"][node_id]["errors"]]


def as_recorded(answer: Json) -> Json:
    """Return an answer without what differs from run to run and with combos without their tooltips."""
    for node in answer["node_errors"].values():
        for error in node["errors"]:
            if "input_config" in error["extra_info"]:
                error["extra_info"]["input_config"] = error["extra_info"]["input_config"][0]
    return {key: value for key, value in answer.items() if key not in {"prompt_id", "number"}}


def recorded(name: str) -> Json:
    """Return what a real server answered to a workflow."""
    record: Json = json.loads((RECORDS / f"{name}.json").read_text())["post_response"]
    return record


def test_a_missing_checkpoint_names_node_input_and_file(comfyui: Target) -> None:
    answer = comfyui.submit(comfyui.graph("iv_missing_checkpoint"))
    assert answer.status_code == 400
    body = answer.json()
    assert as_recorded(body) == as_recorded(recorded("iv_missing_checkpoint"))
    [error] = body["node_errors"]["4"]["errors"]
    assert error["details"] == "ckpt_name: 'sd_xl_base_1.0.safetensors' not in []"


def test_one_valid_output_is_run_and_the_invalid_one_is_reported_in_a_200(comfyui: Target) -> None:
    answer = comfyui.submit(comfyui.graph("iv_b_missing_checkpoint_and_lora_partial"))
    assert answer.status_code == 200
    body = answer.json()
    assert as_recorded(body) == as_recorded(recorded("iv_b_missing_checkpoint_and_lora_partial"))
    assert set(body["node_errors"]) == {"4", "10"}
    entry = comfyui.finished(body["prompt_id"])
    assert entry["status"]["status_str"] == "success"
    assert set(entry["outputs"]) == {"12"}


def test_an_unknown_node_is_refused_by_its_class(comfyui: Target) -> None:
    answer = comfyui.submit(comfyui.graph("iv_c_unknown_node"))
    assert answer.status_code == 400
    assert answer.json() == (UNKNOWN_NODE_OF_0_3 if comfyui.is_old else recorded("iv_c_unknown_node"))


def test_the_newer_name_of_the_codec_is_taken_by_newer_servers_only(comfyui: Target) -> None:
    graph = comfyui.graph("ii_video_invert_blur")
    if comfyui.is_old:
        graph["6"]["inputs"]["format.codec"] = graph["6"]["inputs"].pop("codec")
        answer = comfyui.submit(graph)
        assert answer.status_code == 400
        assert answer.json() == recorded("h375_ii_video_invert_blur")
    else:
        assert graph["6"]["inputs"]["format.codec"] == "h264"
        assert comfyui.run(graph)["status"]["status_str"] == "success"


def test_a_missing_input_and_a_bad_link_are_both_reported(comfyui: Target) -> None:
    graph = comfyui.graph("iv_d_missing_input_and_bad_link")
    lacking = comfyui.lacks(graph)
    if lacking:
        assert lacking == {"SaveText"}
        graph["2"] = {
            "class_type": "StringConcatenate",
            "inputs": {"string_a": ["1", 0], "string_b": "b", "delimiter": ""},
        }
        graph["4"] = {"class_type": "PreviewAny", "inputs": {"source": ["2", 0]}}
    body = comfyui.submit(graph).json()
    assert errors_of(body, "1") == [("required_input_missing", "batch_size")]
    [(kind, details)] = errors_of(body, "2")
    assert kind == "return_type_mismatch"
    assert "received_type(IMAGE) mismatch input_type(STRING)" in details


def test_a_prompt_without_outputs_is_refused(comfyui: Target) -> None:
    answer = comfyui.submit(comfyui.graph("iv_e_no_outputs"))
    assert answer.status_code == 400
    assert answer.json() == recorded("iv_e_no_outputs")


def test_malformed_json_is_answered_with_500_and_text(comfyui: Target) -> None:
    answer = comfyui.http.post("/prompt", content=b"{not json", headers={"Content-Type": "application/json"})
    assert answer.status_code == 500
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_a_body_without_a_prompt_is_refused(comfyui: Target) -> None:
    answer = comfyui.http.post("/prompt", json={"nothing": 1})
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "no_prompt"


def test_a_foreign_origin_is_refused(comfyui: Target) -> None:
    answer = comfyui.http.get("/system_stats", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
