"""A prompt that cannot run is refused in ComfyUI's own words."""

from typing import Any

from tests.support.comfyui_target import Target


def errors_of(answer: dict[str, Any], node_id: str) -> list[tuple[str, str]]:
    return [(error["type"], error["details"]) for error in answer["node_errors"][node_id]["errors"]]


def test_a_missing_checkpoint_names_node_input_and_file(comfyui: Target) -> None:
    answer = comfyui.submit(comfyui.graph("iv_missing_checkpoint"))
    assert answer.status_code == 400
    body = answer.json()
    assert body["error"]["type"] == "prompt_outputs_failed_validation"
    assert body["node_errors"]["4"]["class_type"] == "CheckpointLoaderSimple"
    assert body["node_errors"]["4"]["dependent_outputs"] == ["9"]
    [error] = body["node_errors"]["4"]["errors"]
    assert error["type"] == "value_not_in_list"
    assert error["details"] == "ckpt_name: 'sd_xl_base_1.0.safetensors' not in []"
    assert error["extra_info"]["input_name"] == "ckpt_name"
    assert error["extra_info"]["received_value"] == "sd_xl_base_1.0.safetensors"


def test_one_valid_output_is_run_and_the_invalid_one_is_reported_in_a_200(comfyui: Target) -> None:
    answer = comfyui.submit(comfyui.graph("iv_b_missing_checkpoint_and_lora_partial"))
    assert answer.status_code == 200
    body = answer.json()
    assert set(body["node_errors"]) == {"4", "10"}
    assert errors_of(body, "10") == [("value_not_in_list", "lora_name: 'nope.safetensors' not in []")]
    entry = comfyui.finished(body["prompt_id"])
    assert entry["status"]["status_str"] == "success"
    assert set(entry["outputs"]) == {"12"}


def test_an_unknown_node_is_refused_by_its_class(comfyui: Target) -> None:
    answer = comfyui.submit(comfyui.graph("iv_c_unknown_node"))
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["type"] == ("invalid_prompt" if comfyui.is_old else "missing_node_type")
    assert "NoSuchCustomNode" in answer.text


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
    assert answer.json()["error"]["type"] == "prompt_no_outputs"


def test_malformed_json_is_answered_with_500_and_text(comfyui: Target) -> None:
    answer = comfyui.http.post("/prompt", content=b"{not json", headers={"Content-Type": "application/json"})
    assert answer.status_code == 500


def test_a_body_without_a_prompt_is_refused(comfyui: Target) -> None:
    answer = comfyui.http.post("/prompt", json={"nothing": 1})
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "no_prompt"


def test_a_foreign_origin_is_refused(comfyui: Target) -> None:
    answer = comfyui.http.get("/system_stats", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403


def test_object_info_describes_a_node(comfyui: Target) -> None:
    answer = comfyui.http.get("/object_info/CheckpointLoaderSimple").json()["CheckpointLoaderSimple"]
    assert answer["input"]["required"]["ckpt_name"][0] == []
    assert answer["output"] == ["MODEL", "CLIP", "VAE"]
    assert comfyui.http.get("/object_info/NoSuchNode").json() == {}
