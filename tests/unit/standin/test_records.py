"""What the stand-in answers is what a real ComfyUI 0.33.0 answered to the same workflow."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.unit.standin.conftest import Ear, Graphs, StandIn

TIMES = {"timestamp", "create_time", "execution_start_time", "execution_end_time"}
NUMBERS = {"number", "priority"}
UNORDERED = {"executed", "current_outputs"}


def plain(value: Any, names: dict[str, str], key: str = "") -> Any:
    """Return a value without what differs from run to run: times, ids, paths, and how a picture is printed."""
    if isinstance(value, dict):
        return {names.get(k, k): plain(v, names, k) for k, v in value.items() if k not in {"_t", "traceback"}}
    if isinstance(value, list):
        parts = [plain(part, names) for part in value]
        return sorted(parts) if key in UNORDERED else parts
    if key in TIMES or key in NUMBERS:
        return 0
    if not isinstance(value, str):
        return value
    if value.startswith(("tensor(", "frames of shape")):
        return "a picture"
    for name, stands_for in names.items():
        value = value.replace(name, stands_for)
    return value


def plain_record(record: dict[str, Any]) -> dict[str, Any]:
    prompt_id = record["post_response"]["prompt_id"]
    sid = record["ws"][0]["data"]["sid"]
    cleaned: dict[str, Any] = plain(record, {prompt_id: "ID", sid: "CLIENT", "/opt/comfyui": "BASE"})
    for entry in cleaned["history"].values():
        entry["prompt"][0] = 0
    return cleaned


async def replay(standin: "StandIn", ear: "Ear", record: dict[str, Any]) -> dict[str, Any]:
    """Post a record's prompt again and return what happens in the record's form."""
    _, _, graph, extra_data, _ = next(iter(record["history"].values()))["prompt"]
    extra = {key: value for key, value in extra_data.items() if key not in {"client_id", "create_time"}}
    await ear.until("status")
    response = await standin.post(graph, client_id=ear.client_id, extra_data=extra)
    events = await ear.until_over()
    prompt_id = response.json()["prompt_id"]
    answers = {
        "post_status": response.status_code,
        "post_response": response.json(),
        "history": (await standin.http.get(f"/history/{prompt_id}")).json(),
        "job": (await standin.http.get(f"/api/jobs/{prompt_id}")).json(),
        "ws": [event for event in events if not is_count(event)],
    }
    names = {prompt_id: "ID", ear.client_id: "CLIENT", str(standin.base): "BASE"}
    cleaned: dict[str, Any] = plain(answers, names)
    for entry in cleaned["history"].values():
        entry["prompt"][0] = 0
    return cleaned


def is_count(event: dict[str, Any]) -> bool:
    """Tell whether an event counts frames within a node, which a real server does only while it samples."""
    if event["type"] == "progress":
        return True
    nodes = event["data"].get("nodes", {}) if event["type"] == "progress_state" else {}
    return any(node["state"] == "running" and node["value"] > 0 for node in nodes.values())


async def agree(standin: "StandIn", graphs: "Graphs", name: str) -> None:
    record = graphs.record(name)
    expected = plain_record(record)
    async with standin.listen() as ear:
        seen = await replay(standin, ear, record)
    assert [event["type"] for event in seen["ws"]] == [event["type"] for event in expected["ws"]]
    for part, value in seen.items():
        expected[part] = [e for e in expected[part] if not is_count(e)] if part == "ws" else expected[part]
        if part == "ws":
            for event in [*value, *expected[part]]:
                for node in event["data"].get("nodes", {}) if event["type"] == "progress_state" else ():
                    event["data"]["nodes"][node]["max"] = 1.0
                    state = event["data"]["nodes"][node]
                    state["value"] = 1.0 if state["state"] == "finished" else state["value"]
        assert value == expected[part], part


@pytest.mark.parametrize(
    "name",
    [
        "i_first",
        "ii_video",
        "iii_text",
        "iv_b_missing_checkpoint_and_lora_partial",
        "v_exec_error",
        "v_b_error_after_output",
    ],
)
async def test_a_prompt_is_answered_like_on_a_real_server(standin: "StandIn", graphs: "Graphs", name: str) -> None:
    await agree(standin, graphs, name)


@pytest.mark.parametrize(("first", "then"), [("i_first", "i_second_cached"), ("ii_video", "ii_video_cached")])
async def test_a_repeated_prompt_is_answered_from_the_cache(
    standin: "StandIn", graphs: "Graphs", first: str, then: str
) -> None:
    await agree(standin, graphs, first)
    await agree(standin, graphs, then)


async def test_a_prompt_that_shares_its_beginning_runs_only_the_rest(standin: "StandIn", graphs: "Graphs") -> None:
    await agree(standin, graphs, "ii_video")
    await agree(standin, graphs, "iii_overlay")


async def test_the_cache_points_to_an_output_that_was_deleted(standin: "StandIn", graphs: "Graphs") -> None:
    graph = graphs.workflow("i_image_invert")
    first = await standin.run(graph)
    reference = first["3"]["images"][0]
    (standin.base / "output" / reference["subfolder"] / reference["filename"]).unlink()
    assert await standin.run(graph) == first
    assert (await standin.http.get("/view", params=reference)).status_code == 404


@pytest.mark.parametrize(
    "name",
    [
        "iv_missing_checkpoint",
        "iv_c_unknown_node",
        "iv_d_missing_input_and_bad_link",
        "iv_e_no_outputs",
    ],
)
async def test_a_prompt_is_refused_in_the_words_of_a_real_server(
    standin: "StandIn", graphs: "Graphs", name: str
) -> None:
    record = graphs.record(name)
    response = await standin.post(graphs.workflow(name))
    assert response.status_code == record["post_status"]
    assert response.json() == record["post_response"]
    assert (await standin.http.get("/history")).json() == {}


@pytest.mark.parametrize(("name", "is_targeted"), [("vi_interrupt_global", False), ("vi_interrupt_targeted", True)])
async def test_an_interrupt_ends_a_prompt_like_on_a_real_server(
    standin: "StandIn", graphs: "Graphs", name: str, is_targeted: bool
) -> None:
    record = graphs.record(name)
    async with standin.listen() as ear:
        prompt_id = await standin.submit(graphs.long(), client_id=ear.client_id)
        await ear.until("executing", node="2")
        body = {"prompt_id": prompt_id} if is_targeted else {}
        assert (await standin.http.post("/interrupt", json=body)).status_code == record["interrupt_status"]
        interrupted = await ear.until("execution_interrupted")
        await ear.until("executing", node=None)
    entry = await standin.ended(prompt_id)
    recorded = next(iter(record["history"].values()))
    assert [message[0] for message in entry["status"]["messages"]] == [
        message[0] for message in recorded["status"]["messages"]
    ]
    assert entry["status"]["status_str"] == recorded["status"]["status_str"]
    assert entry["outputs"] == {}
    assert interrupted["data"].keys() == record["ws"][-3]["data"].keys()
    assert interrupted["data"]["node_type"] == "ImageBlur"
    job = (await standin.http.get(f"/api/jobs/{prompt_id}")).json()
    assert job.keys() == record["job"].keys()
    assert job["status"] == "cancelled"
