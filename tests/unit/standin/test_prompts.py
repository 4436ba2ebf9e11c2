"""`/prompt`, `/queue`, `/history`, `/free` and what a request may be."""

import asyncio
import json
import uuid
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.unit.standin.conftest import Graphs, StandIn


PROMPT_ID = uuid.UUID("4f1c8a52-7d0e-4b39-9c06-1ad2e85b7fe3")


async def test_a_client_may_choose_the_id(standin: "StandIn", graphs: "Graphs") -> None:
    chosen = str(uuid.uuid4())
    assert await standin.submit(graphs.image(), prompt_id=chosen) == chosen
    assert (await standin.ended(chosen))["prompt"][1] == chosen


@pytest.mark.parametrize("bad", ["job-17", str(PROMPT_ID).upper(), PROMPT_ID.hex, 7])
async def test_an_id_that_is_no_plain_uuid_is_refused(standin: "StandIn", graphs: "Graphs", bad: object) -> None:
    response = await standin.post(graphs.image(), prompt_id=bad)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_prompt_id"


async def test_the_same_id_twice_is_queued_twice(standin: "StandIn", graphs: "Graphs") -> None:
    running = await standin.submit_and_start(graphs.long())
    chosen = str(uuid.uuid4())
    for _ in range(2):
        await standin.submit(graphs.image(), prompt_id=chosen)
    queue = (await standin.http.get("/queue")).json()
    assert [entry[1] for entry in queue["queue_pending"]] == [chosen, chosen]
    await standin.http.post("/interrupt", json={"prompt_id": running})
    await standin.ended(chosen)


async def test_what_waits_runs_in_the_order_of_its_number(standin: "StandIn", graphs: "Graphs") -> None:
    await standin.submit_and_start(graphs.long())
    last = await standin.submit(graphs.image("last"))
    first = await standin.submit(graphs.image("first"), front=True)
    later = await standin.submit(graphs.image("numbered"), number=0.5)
    queue = (await standin.http.get("/queue")).json()
    assert [entry[1] for entry in queue["queue_pending"]] == [first, later, last]
    assert len(queue["queue_running"][0]) == 5
    assert (await standin.http.get("/prompt")).json() == {"exec_info": {"queue_remaining": 4}}


async def test_a_deleted_prompt_leaves_no_trace(standin: "StandIn", graphs: "Graphs") -> None:
    running = await standin.submit_and_start(graphs.long())
    deleted, kept = [await standin.submit(graphs.image(name)) for name in ("deleted", "kept")]
    await standin.http.post("/queue", json={"delete": [deleted, "unknown"]})
    await standin.http.post("/interrupt")
    await standin.ended(kept)
    assert list((await standin.http.get("/history")).json()) == [running, kept]
    assert (await standin.http.get(f"/api/jobs/{deleted}")).status_code == 404


async def test_a_cleared_queue_leaves_what_runs(standin: "StandIn", graphs: "Graphs") -> None:
    running = await standin.submit_and_start(graphs.long())
    await standin.submit(graphs.image())
    await standin.http.post("/queue", json={"clear": True})
    queue = (await standin.http.get("/queue")).json()
    assert ([entry[1] for entry in queue["queue_running"]], queue["queue_pending"]) == ([running], [])


async def test_history_is_given_in_parts_and_dropped(standin: "StandIn", graphs: "Graphs") -> None:
    ids = [await standin.submit(graphs.image(f"p{index}")) for index in range(4)]
    await standin.ended(ids[-1])

    async def history(**query: int) -> list[str]:
        return list((await standin.http.get("/history", params=query)).json())

    assert await history() == ids
    assert await history(max_items=2) == ids[2:]
    assert await history(max_items=9) == ids
    assert await history(max_items=2, offset=1) == ids[1:3]
    await standin.http.post("/history", json={"delete": [ids[0], "unknown"]})
    assert await history() == ids[1:]
    await standin.http.post("/history", json={"clear": True})
    assert await history() == []


async def test_a_freed_memory_runs_the_same_prompt_anew(standin: "StandIn", graphs: "Graphs") -> None:
    graph = graphs.image()
    first, cached = await standin.run(graph), await standin.run(graph)
    await standin.http.post("/free", json={"unload_models": True})
    still_cached = await standin.run(graph)
    await standin.http.post("/free", json={"unload_models": True, "free_memory": True})
    anew = await standin.run(graph)
    assert first == cached == still_cached
    assert anew["2"]["images"][0]["filename"] == "out_00002_.png"


async def test_a_changed_input_file_is_no_longer_answered_from_the_cache(standin: "StandIn", graphs: "Graphs") -> None:
    graph = graphs.workflow("i_image_invert")
    first = await standin.run(graph)
    (standin.base / "input" / "test.png").write_bytes((standin.base / "output/job-i/invert_00001_.png").read_bytes())
    assert await standin.run(graph) != first


async def test_only_the_outputs_that_the_client_asks_for_are_run(standin: "StandIn", graphs: "Graphs") -> None:
    graph = graphs.image() | {"3": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}}}
    assert set(await standin.run(graph, partial_execution_targets=["3"])) == {"3"}


async def test_secrets_in_the_extra_data_are_never_shown(standin: "StandIn", graphs: "Graphs") -> None:
    prompt_id = await standin.submit(graphs.image(), extra_data={"api_key_comfy_org": "s3cret", "kept": 1})
    entry = await standin.ended(prompt_id)
    assert entry["prompt"][3]["kept"] == 1
    assert "s3cret" not in json.dumps(entry)


@pytest.mark.parametrize("path", ["/prompt", "/queue", "/history", "/free", "/api/prompt"])
@pytest.mark.parametrize("body", ["{bad", "[]", ""])
async def test_malformed_json_is_answered_with_500_and_text(standin: "StandIn", path: str, body: str) -> None:
    response = await standin.http.post(path, content=body)
    assert response.status_code == 500
    assert response.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": []},
        {"prompt": {"1": "no node"}},
        {"prompt": {}, "number": "first"},
        {"prompt": {}, "number": "nan"},
        {"prompt": {"1": {"class_type": "PreviewAny", "inputs": {"source": 1}}}, "extra_data": []},
    ],
)
async def test_a_prompt_of_the_wrong_form_is_answered_with_500(standin: "StandIn", body: dict[str, object]) -> None:
    assert (await standin.http.post("/prompt", json=body)).status_code == 500


@pytest.mark.parametrize(
    ("path", "body"),
    [("/prompt", {"prompt": {"1": {"class_type": ["a list"], "inputs": {}}}}), ("/queue", {"delete": 5})],
)
async def test_our_own_trouble_is_answered_marked_and_the_next_request_goes_through(
    standin: "StandIn", path: str, body: dict[str, object]
) -> None:
    for _ in range(3):
        response = await standin.http.post(path, json=body)
        assert (response.status_code, response.headers["X-Comfyfleet-Standin"]) == (500, "1")
        assert "Server got itself in trouble" in response.text
        assert (await standin.http.get("/prompt")).status_code == 200


@pytest.mark.parametrize("text", ['"half an emoji \\ud83d"', "NaN", "1e999"])
async def test_whatever_was_taken_can_be_shown_again(standin: "StandIn", text: str) -> None:
    graph = '{"1": {"class_type": "PreviewAny", "inputs": {"source": %s}}}' % text  # noqa: UP031 - braces
    async with standin.listen() as ear:
        body = f'{{"prompt": {graph}, "client_id": "{ear.client_id}"}}'
        response = await standin.http.post("/prompt", content=body)
        assert response.status_code == 200
        heard = [event["type"] for event in await ear.until_over()]
    prompt_id = response.json()["prompt_id"]
    assert "execution_success" in heard
    for path in ("/history", f"/history/{prompt_id}", f"/api/jobs/{prompt_id}"):
        shown = await standin.http.get(path)
        assert shown.status_code == 200
        assert text.strip('"') in shown.text.replace("Infinity", "1e999")


async def test_a_request_without_a_prompt_is_refused(standin: "StandIn") -> None:
    response = await standin.http.post("/prompt", json={})
    assert (response.status_code, response.json()["error"]["type"]) == (400, "no_prompt")


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://evil.example", 403),
        ("http://127.0.0.1:1", 403),
        ("http://127.0.0.1:port", 403),
        ("null", 403),
        ("http://127.0.0.1", 200),
    ],
)
async def test_a_foreign_origin_is_refused(standin: "StandIn", origin: str, status: int) -> None:
    response = await standin.http.get("/prompt", headers={"Origin": origin})
    assert response.status_code == status
    own = await standin.http.get("/prompt", headers={"Origin": standin.url})
    assert own.status_code == 200


async def test_the_api_is_below_its_prefix_too_and_every_answer_is_marked(standin: "StandIn") -> None:
    for path in ("/prompt", "/queue", "/history", "/object_info", "/system_stats", "/features"):
        plain, prefixed = await standin.http.get(path), await standin.http.get(f"/api{path}")
        assert plain.status_code == prefixed.status_code == 200
        assert plain.json().keys() == prefixed.json().keys()
        assert plain.headers["X-Comfyfleet-Standin"] == prefixed.headers["X-Comfyfleet-Standin"] == "1"
    missing = await standin.http.get("/nothing/here")
    assert (missing.status_code, missing.headers["X-Comfyfleet-Standin"]) == (404, "1")


async def test_jobs_are_filtered_sorted_and_paged(standin: "StandIn", graphs: "Graphs") -> None:
    done = [await standin.submit(graphs.image(f"p{index}")) for index in range(2)]
    failed = await standin.submit(graphs.workflow("v_exec_error"))
    await standin.ended(failed)
    running = await standin.submit_and_start(graphs.long(), extra_data={"extra_pnginfo": {"workflow": {"id": "wf"}}})

    async def jobs(**query: object) -> list[str]:
        page = (await standin.http.get("/api/jobs", params={**query})).json()  # type: ignore[dict-item]
        return [job["id"] for job in page["jobs"]]

    assert set(await jobs()) == {*done, failed, running}
    assert await jobs(status="failed") == [failed]
    assert set(await jobs(status="completed,failed", sort_order="asc")) == {*done, failed}
    assert await jobs(workflow_id="wf") == [running]
    page = (await standin.http.get("/api/jobs", params={"limit": 3, "offset": 2})).json()
    assert page["pagination"] == {"offset": 2, "limit": 3, "total": 4, "has_more": False}
    assert len(page["jobs"]) == 2
    job = (await standin.http.get(f"/api/jobs/{running}")).json()
    assert job["status"] == "in_progress"
    assert job["workflow"]["prompt"] == graphs.long()


@pytest.mark.parametrize(
    "query", [{"status": "odd"}, {"limit": "0"}, {"offset": "x"}, {"sort_by": "x"}, {"sort_order": "x"}]
)
async def test_a_wrong_question_for_jobs_is_refused(standin: "StandIn", query: dict[str, str]) -> None:
    response = await standin.http.get("/api/jobs", params=query)
    assert response.status_code == 400
    assert response.json()["error"]


async def test_an_interrupt_of_another_prompt_does_nothing(standin: "StandIn", graphs: "Graphs") -> None:
    running = await standin.submit_and_start(graphs.long())
    waiting = await standin.submit(graphs.image())
    for wrong in (waiting, "unknown"):
        assert (await standin.http.post("/interrupt", json={"prompt_id": wrong})).status_code == 200
    assert (await standin.http.get(f"/api/jobs/{running}")).json()["status"] == "in_progress"
    await standin.http.post("/interrupt", content="no json")
    assert (await standin.ended(running))["status"]["messages"][-1][0] == "execution_interrupted"
    assert (await standin.ended(waiting))["status"]["status_str"] == "success"


async def test_an_interrupt_of_nothing_does_not_end_the_next_prompt(standin: "StandIn", graphs: "Graphs") -> None:
    await standin.http.post("/interrupt")
    assert await standin.run(graphs.image())


async def test_the_api_answers_while_a_prompt_runs(standin: "StandIn", graphs: "Graphs") -> None:
    running = await standin.submit_and_start(graphs.long())
    for _ in range(20):
        assert (await standin.http.get("/queue")).json()["queue_running"]
    assert (await standin.http.get(f"/api/jobs/{running}")).json()["status"] == "in_progress"


async def test_a_prompt_in_two_clients_at_once_is_no_trouble(standin: "StandIn", graphs: "Graphs") -> None:
    async with httpx.AsyncClient(base_url=standin.url, timeout=60) as other:
        answers = await asyncio.gather(
            *(
                client.post("/prompt", json={"prompt": graphs.image(f"p{i}")})
                for i in range(20)
                for client in (standin.http, other)
            )
        )
    numbers = [answer.json()["number"] for answer in answers]
    assert sorted(numbers) == list(range(40))
    for answer in answers:
        assert (await standin.ended(answer.json()["prompt_id"]))["status"]["completed"]
