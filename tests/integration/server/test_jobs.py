"""Jobs: accepted once, leased once, settled once."""

import asyncio
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from tests.support.control_plane import ControlPlane, TenantAccess
from tests.support.simple_worker import SimpleWorker, lease_of


async def test_a_worker_that_knows_only_required_fields_renders_a_job(
    tenant: TenantAccess, worker: SimpleWorker
) -> None:
    job = await tenant.submit("caption-video", prompt="hello")
    leased = await worker.render()
    done = await tenant.job(job["id"])
    assert leased["input_payload"]["workflow"]["4"]["inputs"]["text"] == "hello"
    assert done["status"] == "completed"
    assert done["output_size"] == len(b"rendered")
    assert await tenant.ledger() == [("reserve", 3), ("consume", 3)]
    assert await tenant.balance() == {"available": 97, "reserved": 0, "consumed": 3}


async def test_the_same_idempotency_key_returns_the_first_job(tenant: TenantAccess) -> None:
    body = {"effect": "invert-video", "values": {"input_video": await tenant.upload(b"x")}}
    answers = await asyncio.gather(*(tenant.call("POST", "/api/jobs", body, Idempotency_Key="once") for _ in range(5)))
    assert {answer.json()["data"]["id"] for answer in answers} == {answers[0].json()["data"]["id"]}
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 201]
    assert await tenant.ledger() == [("reserve", 2)]


async def test_the_same_key_for_another_submission_is_refused(tenant: TenantAccess) -> None:
    body = {"effect": "invert-video", "values": {"input_video": await tenant.upload(b"x")}}
    await tenant.call("POST", "/api/jobs", body, Idempotency_Key="once")
    answer = await tenant.call("POST", "/api/jobs", {**body, "priority": 5}, Idempotency_Key="once")
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "idempotency_mismatch"


async def test_too_few_credits_are_refused_with_402_and_no_job(control_plane: ControlPlane) -> None:
    poor = await control_plane.new_tenant("poor", balance=1)
    body = {"effect": "invert-video", "values": {"input_video": await poor.upload(b"x")}}
    answer = await poor.call("POST", "/api/jobs", body)
    assert answer.status_code == 402
    assert "costs 2 credits and you have 1" in answer.json()["message"]
    assert (await poor.call("GET", "/api/jobs")).json()["data"]["items"] == []
    assert await poor.ledger() == []


async def test_concurrent_submissions_never_spend_more_than_there_is(control_plane: ControlPlane) -> None:
    tenant = await control_plane.new_tenant("racing", balance=5)
    body = {"effect": "invert-video", "values": {"input_video": await tenant.upload(b"x")}}
    answers = await asyncio.gather(*(tenant.call("POST", "/api/jobs", body) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 402, 402, 402, 402]
    assert (await tenant.balance())["available"] == 1


async def test_a_job_that_fails_is_refunded_and_says_where(tenant: TenantAccess, worker: SimpleWorker) -> None:
    job = await tenant.submit()
    leased = await worker.lease()
    error = {"error_message": "no such file", "node_id": "4", "node_type": "Loader", "input_name": "ckpt_name"}
    assert (await worker.call("fail", **lease_of(leased), **error)).status_code == 200
    failed = await tenant.job(job["id"])
    assert failed["status"] == "failed"
    assert failed["error"] == {
        "message": "no such file",
        "code": None,
        "node_id": "4",
        "node_type": "Loader",
        "input_name": "ckpt_name",
    }
    assert await tenant.ledger() == [("reserve", 2), ("refund", 2)]


async def test_a_retryable_failure_is_tried_again_after_a_pause(
    control_plane: ControlPlane, tenant: TenantAccess, worker: SimpleWorker
) -> None:
    job = await tenant.submit()
    await worker.call("fail", **lease_of(await worker.lease()), error_message="restarted", retryable=True)
    assert await worker.poll() is None
    control_plane.clock.forward(seconds=6)
    again = await worker.render()
    assert again["job_id"] == job["id"]
    assert again["attempt"] == 2
    assert await tenant.ledger() == [("reserve", 2), ("consume", 2)]


async def test_attempts_that_run_out_fail_the_job_and_refund_it(
    control_plane: ControlPlane, tenant: TenantAccess, worker: SimpleWorker
) -> None:
    job = await tenant.submit()
    for _ in range(3):
        assert (await worker.lease())["job_id"] == job["id"]
        control_plane.clock.forward(hours=2)
        assert await control_plane.look_after() == 1
    failed = await tenant.job(job["id"])
    assert failed["status"] == "failed"
    assert "silent" in failed["error"]["message"]
    assert await tenant.ledger() == [("reserve", 2), ("refund", 2)]


async def test_a_late_complete_is_refused_and_changes_nothing(
    control_plane: ControlPlane, tenant: TenantAccess, worker: SimpleWorker
) -> None:
    job = await tenant.submit()
    late = await worker.lease()
    size = await worker.put_output(late)
    control_plane.clock.forward(hours=2)
    await control_plane.look_after()
    before = await tenant.job(job["id"])
    answer = await worker.complete(late, size)
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "lease_lost"
    assert await tenant.job(job["id"]) == before
    assert await tenant.ledger() == [("reserve", 2)]


@pytest.mark.parametrize("verb", ["heartbeat", "fail", "requeue"])
async def test_every_call_with_an_old_lease_is_refused(
    control_plane: ControlPlane, tenant: TenantAccess, worker: SimpleWorker, verb: str
) -> None:
    await tenant.submit()
    late = await worker.lease()
    control_plane.clock.forward(hours=2)
    await control_plane.look_after()
    answer = await worker.call(verb, **lease_of(late), error_message="x", reason="x")
    assert answer.status_code == 409


async def test_a_complete_without_the_output_in_storage_is_refused(tenant: TenantAccess, worker: SimpleWorker) -> None:
    job = await tenant.submit()
    answer = await worker.complete(await worker.lease(), 8)
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "output_missing"
    assert (await tenant.job(job["id"]))["status"] == "processing"


async def test_a_requeued_job_does_not_count_the_attempt(tenant: TenantAccess, worker: SimpleWorker) -> None:
    await tenant.submit()
    for _ in range(5):
        await worker.call("requeue", **lease_of(await worker.lease()), reason="shutting down")
    assert (await worker.lease())["attempt"] == 1


async def test_registering_again_ends_the_old_token_and_puts_jobs_back(
    tenant: TenantAccess, worker: SimpleWorker
) -> None:
    job = await tenant.submit()
    await worker.lease()
    old_token = worker.token
    await worker.register()
    assert (await tenant.job(job["id"]))["status"] == "queued"
    assert (await worker.lease())["attempt"] == 1
    worker.token = old_token
    assert (await worker.call("poll", worker_id=worker.worker_id, current_load=0, max_concurrency=1)).status_code == 401


async def test_a_queued_job_is_canceled_at_once(tenant: TenantAccess, worker: SimpleWorker) -> None:
    job = await tenant.submit()
    assert (await tenant.call("POST", f"/api/jobs/{job['id']}/cancel")).json()["data"]["status"] == "canceled"
    assert await worker.poll() is None
    assert await tenant.ledger() == [("reserve", 2), ("refund", 2)]


async def test_a_running_job_is_canceled_through_its_heartbeat(tenant: TenantAccess, worker: SimpleWorker) -> None:
    job = await tenant.submit()
    leased = await worker.lease()
    await tenant.call("POST", f"/api/jobs/{job['id']}/cancel")
    beat = await worker.call("heartbeat", **lease_of(leased), progress={"value": 0.5, "node_type": "KSampler"})
    assert beat.json()["data"]["cancel_requested"] is True
    await worker.call("fail", **lease_of(leased), error_message="interrupted", retryable=True)
    assert (await tenant.job(job["id"]))["status"] == "canceled"
    assert await tenant.ledger() == [("reserve", 2), ("refund", 2)]


async def test_a_long_poll_wakes_up_for_a_new_job(tenant: TenantAccess, worker: SimpleWorker) -> None:
    waiting = asyncio.create_task(worker.poll(wait_seconds=20))
    job = await tenant.submit()
    leased = await asyncio.wait_for(waiting, 60)
    assert leased is not None
    assert leased["job_id"] == job["id"]


async def test_two_workers_never_get_the_same_job(control_plane: ControlPlane, tenant: TenantAccess) -> None:
    jobs = [await tenant.submit("invert-image") for _ in range(6)]
    workers = [SimpleWorker.registered(control_plane.url, f"i-{number}") for number in range(6)]
    entered = [await worker.__aenter__() for worker in workers]
    leased = await asyncio.gather(*(worker.poll() for worker in entered))
    for worker in workers:
        await worker.__aexit__(None, None, None)
    assert sorted(job["job_id"] for job in leased if job) == [job["id"] for job in jobs]


async def test_jobs_of_higher_priority_come_first(tenant: TenantAccess, worker: SimpleWorker) -> None:
    first = await tenant.submit()
    body = {"effect": "invert-video", "values": {"input_video": await tenant.upload(b"x")}, "priority": 10}
    urgent = (await tenant.call("POST", "/api/jobs", body)).json()["data"]
    assert (await worker.render())["job_id"] == urgent["id"]
    assert (await worker.render())["job_id"] == first["id"]


async def test_the_timeline_tells_every_step(tenant: TenantAccess, worker: SimpleWorker) -> None:
    job = await tenant.submit()
    leased = await worker.lease()
    await worker.call("heartbeat", **lease_of(leased))
    await worker.complete(leased, await worker.put_output(leased))
    answer = await tenant.call("GET", f"/api/jobs/{job['id']}/timeline")
    assert [line["event"] for line in answer.json()["data"]] == ["queued", "leased", "started", "completed"]


async def test_the_ledger_cannot_be_changed(database_url: str, tenant: TenantAccess) -> None:
    await tenant.submit()
    connection = await asyncpg.connect(database_url)
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await connection.execute("UPDATE credit_entries SET amount = 0")
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await connection.execute("DELETE FROM credit_entries")
    await connection.close()


async def test_a_heartbeating_worker_that_dies_loses_its_job_soon_and_another_completes_it(
    control_plane: ControlPlane, tenant: TenantAccess
) -> None:
    job = await tenant.submit()
    promise = {"capabilities": {"heartbeat_interval_seconds": 5}}
    async with (
        SimpleWorker.registered(control_plane.url, "i-0dies", **promise) as dies,
        SimpleWorker.registered(control_plane.url, "i-0next", **promise) as following,
    ):
        late = await dies.lease()
        await dies.call("heartbeat", **lease_of(late))
        size = await dies.put_output(late, b"too late")
        assert await following.poll() is None
        control_plane.clock.forward(seconds=21)
        assert await control_plane.look_after() == 1
        await following.render()
        assert (await dies.complete(late, size)).status_code == 409
    done = await tenant.job(job["id"])
    assert (done["status"], done["attempt"], done["output_size"]) == ("completed", 2, len(b"rendered"))
    assert await tenant.ledger() == [("reserve", 2), ("consume", 2)]


async def test_a_lost_connection_in_an_upload_leaves_nothing(tenant: TenantAccess) -> None:
    body = {"filename": "a.mp4", "content_type": "video/mp4", "size": 1000}
    ticket = (await tenant.call("POST", "/api/uploads", body)).json()["data"]
    url = urlsplit(ticket["put_url"])
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nHost: x\r\nContent-Type: video/mp4\r\nContent-Length: 1000\r\n\r\n"
    writer.write(head.encode() + b"x" * 500)
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert await reader.read() == b""
    answer = await tenant.call("GET", f"/api/uploads/{ticket['upload_id']}")
    assert answer.json()["data"]["is_stored"] is False
    async with httpx.AsyncClient(timeout=60) as plain:
        again = await plain.put(ticket["put_url"], content=b"x" * 1000, headers=ticket["headers"])
    assert again.status_code == 201
    answer = await tenant.call("GET", f"/api/uploads/{ticket['upload_id']}")
    assert answer.json()["data"]["is_stored"] is True
    incoming = tenant.control_plane.wiring.settings.objects_folder / "media" / "incoming"
    assert list(incoming.iterdir()) == []


async def test_a_long_poll_wakes_up_for_a_retry_that_became_due(
    control_plane: ControlPlane, tenant: TenantAccess, worker: SimpleWorker
) -> None:
    job = await tenant.submit()
    await worker.call("fail", **lease_of(await worker.lease()), error_message="restarted", retryable=True)
    control_plane.clock.forward(seconds=4)
    again = await asyncio.wait_for(worker.poll(wait_seconds=20), 60)
    assert again is not None
    assert (again["job_id"], again["attempt"]) == (job["id"], 2)
