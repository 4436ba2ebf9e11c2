"""`/ws`: who hears what."""

import json
from typing import TYPE_CHECKING

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

if TYPE_CHECKING:
    from tests.unit.standin.conftest import Graphs, StandIn


async def test_events_go_to_the_client_that_posted_and_to_nobody_else(standin: "StandIn", graphs: "Graphs") -> None:
    async with standin.listen() as poster, standin.listen() as other:
        await standin.submit(graphs.image("first"), client_id=poster.client_id)
        await poster.until_over()
        await standin.submit(graphs.image("second"), client_id=other.client_id)
        await other.until_over()
    heard_before = [
        event["type"]
        for event in other.heard[: other.heard.index(next(e for e in other.heard if e["type"] == "execution_start"))]
    ]
    assert set(heard_before) == {"status"}
    assert "execution_success" in [event["type"] for event in poster.heard]


async def test_a_prompt_of_nobody_is_told_to_nobody(standin: "StandIn", graphs: "Graphs") -> None:
    async with standin.listen() as ear:
        await standin.run(graphs.image("nobodys"))
        await standin.submit(graphs.image("mine"), client_id=ear.client_id)
        events = await ear.until_over()
    assert [event["type"] for event in events].count("execution_start") == 1


async def test_a_client_without_a_name_gets_one(standin: "StandIn") -> None:
    async with connect(standin.url.replace("http", "ws") + "/ws") as socket:
        first = json.loads(await socket.recv())
    assert len(first["data"]["sid"]) == 32


async def test_a_second_connection_of_a_client_takes_over(standin: "StandIn", graphs: "Graphs") -> None:
    async with standin.listen("me") as old:
        await old.until("status", sid="me")
        async with standin.listen("me") as new:
            await new.until("status", sid="me")
            await old.socket.close()
            await standin.submit(graphs.image(), client_id="me")
            assert "execution_success" in [event["type"] for event in await new.until_over()]


async def test_a_client_that_comes_back_hears_which_node_runs(standin: "StandIn", graphs: "Graphs") -> None:
    async with standin.listen("me") as ear:
        await standin.submit(graphs.long(), client_id="me")
        await ear.until("executing", node="2")
    async with standin.listen("me") as back, standin.listen("other") as other:
        assert [(await back.next())["type"] for _ in range(2)] == ["status", "executing"]
        assert back.heard[1]["data"] == {"node": "2"}
        await standin.http.post("/interrupt")
        await back.until_over()
        await other.until("status", status={"exec_info": {"queue_remaining": 0}})
        assert {event["type"] for event in other.heard} == {"status"}
    async with standin.listen("me") as late:
        await late.socket.send(b"bytes mean nothing")
        await late.socket.send(json.dumps({"type": "feature_flags", "data": {}}))
        await late.until("feature_flags")
        assert [event["type"] for event in late.heard] == ["status", "feature_flags"]


async def test_a_question_for_features_is_answered_and_nonsense_is_not(standin: "StandIn") -> None:
    async with standin.listen() as ear:
        await ear.socket.send("nonsense")
        await ear.socket.send(json.dumps({"type": "feature_flags", "data": {}}))
        features = await ear.until("feature_flags")
    assert features["data"]["max_upload_size"] == 1024 * 1024


async def test_frames_are_counted_while_a_node_works_on_them(standin: "StandIn", graphs: "Graphs") -> None:
    async with standin.listen() as ear:
        await standin.submit(graphs.long(), client_id=ear.client_id)
        progress = await ear.until("progress", node="2")
        state = await ear.until("progress_state")
        await standin.http.post("/interrupt")
        await ear.until_over()
    assert progress["data"]["max"] == 24
    assert set(state["data"]["nodes"]) <= {"1", "2"}


async def test_the_socket_is_below_the_prefix_too_and_marked(standin: "StandIn") -> None:
    async with connect(standin.url.replace("http", "ws") + "/api/ws?clientId=a") as socket:
        assert socket.response is not None
        assert socket.response.headers["X-Comfyfleet-Standin"] == "1"


async def test_a_page_of_another_site_may_not_listen(standin: "StandIn") -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(
            standin.url.replace("http", "ws") + "/ws", additional_headers={"Origin": "http://evil.example"}
        ):
            pass
    assert refused.value.response.status_code == 403
