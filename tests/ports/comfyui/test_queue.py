"""The queue, the history, interrupts and events."""

from uuid import uuid4

import pytest
from tests.support.comfyui_target import Json, Target


def long_run(comfyui: Target) -> Json:
    """Return a graph that runs for a while, and never from the cache."""
    graph = comfyui.graph("vi_long_run")
    graph["1"]["inputs"]["color"] = uuid4().int % 2**24
    return graph


def fresh(comfyui: Target) -> Json:
    """Return a short graph of three nodes, none of which is in the cache."""
    graph = comfyui.graph("i_image_invert")
    inputs = {"width": 16, "height": 16, "batch_size": 1, "color": uuid4().int % 2**24}
    graph["1"] = {"class_type": "EmptyImage", "inputs": inputs}
    return graph


def progress_of(messages: list[Json]) -> list[dict[str, str]]:
    """Return the states of the nodes that each `progress_state` lists."""
    lists = [message["data"]["nodes"] for message in messages if message["type"] == "progress_state"]
    return [{node_id: node["state"] for node_id, node in nodes.items()} for nodes in lists]


def test_a_chosen_id_is_kept(comfyui: Target) -> None:
    prompt_id = str(uuid4())
    answer = comfyui.submit(comfyui.graph("i_image_invert"), prompt_id=prompt_id).json()
    assert answer["prompt_id"] == prompt_id
    assert answer["node_errors"] == {}
    entry = comfyui.finished(prompt_id)
    assert entry["prompt"][1] == prompt_id


def test_the_history_holds_the_prompt_its_outputs_and_what_happened(comfyui: Target) -> None:
    graph, client_id = comfyui.graph("i_image_invert"), uuid4().hex
    extra = {"extra_pnginfo": {"workflow": {"id": "wf"}}, "my_key": "kept"}
    answer = comfyui.submit(graph, client_id=client_id, extra_data=extra).json()
    entry = comfyui.finished(answer["prompt_id"])
    assert set(entry) == {"prompt", "outputs", "status", "meta"}
    number, prompt_id, prompt, extra_data, outputs = entry["prompt"]
    assert (number, prompt_id, prompt, outputs) == (answer["number"], answer["prompt_id"], graph, ["3"])
    assert extra_data.items() >= (extra | {"client_id": client_id}).items()
    assert entry["meta"] == {
        "3": {"node_id": "3", "display_node": "3", "parent_node": None, "real_node_id": "3"},
    }
    [output] = entry["outputs"]["3"]["images"]
    assert set(output) == {"filename", "subfolder", "type"}
    assert set(entry["status"]) == {"status_str", "completed", "messages"}
    assert (entry["status"]["status_str"], entry["status"]["completed"]) == ("success", True)
    kinds = [kind for kind, _ in entry["status"]["messages"]]
    assert kinds == ["execution_start", "execution_cached", "execution_success"]
    assert all(data["prompt_id"] == prompt_id for _, data in entry["status"]["messages"])


def test_events_come_in_order_and_to_the_submitter_only(comfyui: Target) -> None:
    mine, other = uuid4().hex, uuid4().hex
    with comfyui.listen(mine) as listener, comfyui.listen(other) as stranger:
        assert listener.next()["type"] == "status"
        prompt_id = comfyui.submit(fresh(comfyui), client_id=mine).json()["prompt_id"]
        messages = listener.until_end(prompt_id)
        kinds = [message["type"] for message in messages]
        assert kinds[0] == "execution_start"
        assert kinds[1] == "execution_cached"
        assert kinds[-1] == "execution_success"
        executed = next(message for message in messages if message["type"] == "executed")
        assert executed["data"]["node"] == "3"
        assert executed["data"]["output"]["images"][0]["type"] == "output"
        assert progress_of(messages)[-1] == dict.fromkeys("123", "finished")
        assert all("pending" not in states.values() for states in progress_of(messages))
        running = [message["data"]["node"] for message in messages if message["type"] == "executing"]
        assert running[:3] == ["1", "2", "3"]
        while listener.until("executing")["data"] != {"node": None, "prompt_id": prompt_id}:
            pass
        # Another prompt's end of its own shows that the stranger's socket was alive all along.
        own = comfyui.submit(comfyui.graph("i_image_invert"), client_id=other).json()["prompt_id"]
        stranger.until_end(own)
        assert not [one for one in stranger.messages if one["data"].get("prompt_id") == prompt_id]


def test_an_error_is_an_event(comfyui: Target) -> None:
    client_id = uuid4().hex
    with comfyui.listen(client_id) as listener:
        prompt_id = comfyui.submit(comfyui.graph("v_exec_error"), client_id=client_id).json()["prompt_id"]
        last = listener.until_end(prompt_id)[-1]
    assert last["type"] == "execution_error"
    assert last["data"]["node_id"] == "1"


@pytest.mark.parametrize("is_targeted", [False, True], ids=["everything", "by id"])
def test_an_interrupt_ends_a_running_prompt(comfyui: Target, is_targeted: bool) -> None:
    client_id = uuid4().hex
    with comfyui.listen(client_id) as listener:
        prompt_id = comfyui.submit(long_run(comfyui), client_id=client_id).json()["prompt_id"]
        while listener.until("executing")["data"].get("node") != "2":
            pass
        body = {"prompt_id": prompt_id} if is_targeted else {}
        assert comfyui.http.post("/interrupt", json=body).status_code == 200
        assert listener.until_end(prompt_id)[-1]["type"] == "execution_interrupted"
    entry = comfyui.finished(prompt_id)
    assert entry["status"]["status_str"] == "error"
    assert "execution_interrupted" in dict(entry["status"]["messages"])


def test_pending_prompts_wait_and_can_be_deleted_and_a_wrong_interrupt_does_nothing(comfyui: Target) -> None:
    client_id = uuid4().hex
    with comfyui.listen(client_id) as listener:
        running = comfyui.submit(long_run(comfyui), client_id=client_id).json()["prompt_id"]
        twice = [comfyui.submit(comfyui.graph("i_image_invert"), prompt_id=(same := str(uuid4()))).json()]
        twice.append(comfyui.submit(comfyui.graph("i_image_invert"), prompt_id=same).json())
        listener.until("executing")
        queue = comfyui.http.get("/queue").json()
        assert [item[1] for item in queue["queue_running"]] == [running]
        assert [item[1] for item in queue["queue_pending"]] == [same, same]
        assert comfyui.http.get("/prompt").json()["exec_info"]["queue_remaining"] == 3
        assert comfyui.http.post("/interrupt", json={"prompt_id": str(uuid4())}).status_code == 200
        comfyui.http.post("/queue", json={"delete": [same]})
        assert [item[1] for item in comfyui.http.get("/queue").json()["queue_pending"]] == [same]  # one a call
        comfyui.http.post("/queue", json={"clear": True})
        assert comfyui.http.get("/queue").json()["queue_pending"] == []
        comfyui.http.post("/interrupt", json={"prompt_id": running})
        assert listener.until_end(running)[-1]["type"] == "execution_interrupted"
    assert comfyui.http.get(f"/history/{same}").json() == {}


def test_history_can_be_deleted(comfyui: Target) -> None:
    prompt_id = comfyui.submit(comfyui.graph("i_image_invert")).json()["prompt_id"]
    comfyui.finished(prompt_id)
    assert prompt_id in comfyui.http.get("/history").json()
    comfyui.http.post("/history", json={"delete": [prompt_id]})
    assert comfyui.http.get(f"/history/{prompt_id}").json() == {}


def test_memory_can_be_freed(comfyui: Target) -> None:
    assert comfyui.http.post("/free", json={"unload_models": True, "free_memory": True}).status_code == 200


def test_the_newer_api_lists_jobs(comfyui: Target) -> None:
    prompt_id = comfyui.submit(comfyui.graph("i_image_invert")).json()["prompt_id"]
    comfyui.finished(prompt_id)
    answer = comfyui.http.get(f"/api/jobs/{prompt_id}")
    if comfyui.is_old:
        assert answer.status_code == 404  # 0.3.75 has no such route
    else:
        assert answer.json()["status"] == "completed"
