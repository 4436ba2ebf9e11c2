"""What goes wrong around a request is answered as what it is, never as a bare 500."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from tests.support.control_plane import FLEET, FLEET_SECRET, ControlPlane
from tests.support.simple_worker import SimpleWorker

from comfyfleet.cloud.local.network import free_port
from comfyfleet.server.db import make_engine
from comfyfleet.server.errors import install_error_handlers


async def test_one_worker_that_registers_many_times_at_once_ends_with_one_token(control_plane: ControlPlane) -> None:
    body = {"worker_id": "i-0eager", "fleet_slug": FLEET}
    async with httpx.AsyncClient(base_url=control_plane.url, timeout=30) as http:
        calls = [
            http.post("/api/worker/register", json=body, headers={"X-Fleet-Secret": FLEET_SECRET}) for _ in range(8)
        ]
        answers = await asyncio.gather(*calls)
        assert {answer.status_code for answer in answers} <= {200, 503}
        tokens = [answer.json()["data"]["token"] for answer in answers if answer.status_code == 200]
        polls = [await SimpleWorker(http, "i-0eager", token).call("poll", **POLL) for token in tokens]
    assert [poll.status_code for poll in polls].count(200) == 1


POLL = {"worker_id": "i-0eager", "current_load": 0, "max_concurrency": 1}


async def test_two_tenants_of_one_slug_at_once_become_one(control_plane: ControlPlane) -> None:
    async with control_plane.client() as admin:
        calls = [admin.post("/api/tenants", json={"name": "Same", "slug": "same"}) for _ in range(6)]
        statuses = [answer.status_code for answer in await asyncio.gather(*calls)]
    assert statuses.count(201) == 1
    assert set(statuses) <= {201, 409, 503}


async def test_a_database_that_is_away_is_answered_with_503() -> None:
    app = FastAPI()
    install_error_handlers(app)
    engine = make_engine(f"postgresql+asyncpg://nobody@127.0.0.1:{free_port()}/none")

    @app.get("/")
    async def ask() -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
        answer = await http.get("/")
    await engine.dispose()
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "database_unavailable"


async def test_a_wrong_request_says_which_field(control_plane: ControlPlane) -> None:
    async with control_plane.client() as admin:
        unknown = await admin.post("/api/tenants", json={"name": "A", "slug": "a", "nmae": "typo"})
        missing = await admin.post("/api/jobs", json={})
        nothing = await admin.get("/api/nothing")
    assert unknown.status_code == 422
    assert "nmae" in unknown.json()["message"]
    assert "effect" in missing.json()["message"]
    assert nothing.status_code == 404
    assert nothing.json()["error"]["kind"] == "not_found"


@pytest.mark.parametrize("number", [2**63, 2**100, 0, -(2**70)])
async def test_a_number_that_is_no_id_is_refused(control_plane: ControlPlane, number: int) -> None:
    tenant = await control_plane.new_tenant("alpha")
    async with control_plane.client() as admin:
        answers = [
            await admin.get("/api/jobs", params={"before": number}),
            await admin.get(f"/api/tenants/{tenant.slug}/ledger", params={"before": number}),
            await admin.get(f"/api/jobs/{number}"),
            await admin.get(f"/api/jobs/{number}/timeline"),
            await admin.get(f"/api/jobs/{number}/events"),
            await admin.post(f"/api/jobs/{number}/cancel"),
        ]
    assert [answer.status_code for answer in answers] == [422] * 6
    assert {answer.json()["error"]["code"] for answer in answers} == {"request_invalid"}


async def test_the_largest_id_is_asked_for_like_any_other(control_plane: ControlPlane) -> None:
    largest = 2**63 - 1
    async with control_plane.client() as admin:
        page = await admin.get("/api/jobs", params={"before": largest})
        job = await admin.get(f"/api/jobs/{largest}")
    assert page.status_code == 200
    assert job.status_code == 404
