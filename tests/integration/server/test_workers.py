"""What operators see of workers, and do to them."""

import asyncio

import pytest
from tests.support.control_plane import FLEET, FLEET_SECRET, ControlPlane, TenantAccess
from tests.support.operator import OperatorAccess
from tests.support.simple_worker import SimpleWorker, lease_of

from comfyfleet.core.roles import Role
from comfyfleet.server.tenants import service as tenants

ID = "i-0simple"
PATH = f"/workers/{ID}"


@pytest.fixture
def operator(control_plane: ControlPlane) -> OperatorAccess:
    return OperatorAccess(control_plane)


async def register_again(worker: SimpleWorker) -> tuple[int, str]:
    body = {"worker_id": worker.worker_id, "fleet_slug": FLEET}
    answer = await worker.http.post("/api/worker/register", json=body, headers={"X-Fleet-Secret": FLEET_SECRET})
    return answer.status_code, answer.json()["message"] if answer.is_success else answer.json()["error"]["code"]


async def test_a_draining_worker_ends_its_job_and_gets_no_more(
    operator: OperatorAccess, tenant: TenantAccess, worker: SimpleWorker
) -> None:
    await tenant.submit()
    await tenant.submit()
    job = await worker.lease()
    drained = await operator.post(f"{PATH}/drain")
    assert (drained["status"], [held["id"] for held in drained["jobs"]]) == ("draining", [job["job_id"]])
    answer = await worker.complete(job, await worker.put_output(job))
    assert answer.status_code == 200
    poll = await worker.call("poll", worker_id=ID, current_load=0, max_concurrency=1)
    assert poll.json()["data"] == {"job": None, "is_draining": True}
    assert (await operator.post(f"{PATH}/activate"))["status"] == "active"
    await worker.lease()
    assert await operator.acts(ID) == [
        ("worker.drain", {"fleet": "local/gpu-default"}),
        ("worker.activate", {"fleet": "local/gpu-default"}),
    ]


async def test_a_poll_that_waits_hears_at_once_that_its_worker_drains(
    operator: OperatorAccess, worker: SimpleWorker
) -> None:
    waiting = asyncio.create_task(worker.call("poll", worker_id=ID, current_load=0, max_concurrency=1, wait_seconds=30))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    await operator.post(f"{PATH}/drain")
    answer = await asyncio.wait_for(waiting, 25)
    assert answer.json()["data"]["is_draining"]


async def test_a_revoked_worker_loses_its_token_and_its_jobs_uncounted(
    operator: OperatorAccess, tenant: TenantAccess, worker: SimpleWorker
) -> None:
    job = await tenant.submit()
    leased = await worker.lease()
    revoked = await operator.post(f"{PATH}/revoke")
    assert (revoked["status"], revoked["jobs"]) == ("revoked", [])
    after = await tenant.job(job["id"])
    assert (after["status"], after["attempt"]) == ("queued", 0)
    for verb, body in (("heartbeat", lease_of(leased)), ("report", {})):
        assert (await worker.call(verb, **body)).status_code == 401
    assert await register_again(worker) == (403, "worker_revoked")
    assert await operator.acts(ID) == [("worker.revoke", {"fleet": "local/gpu-default", "jobs": [job["id"]]})]
    timeline = (await tenant.call("GET", f"/api/jobs/{job['id']}/timeline")).json()["data"]
    assert timeline[-1]["detail"] == "An operator revoked the worker."


async def test_a_restored_worker_may_register_again(
    operator: OperatorAccess, tenant: TenantAccess, worker: SimpleWorker
) -> None:
    await operator.post(f"{PATH}/revoke")
    assert (await operator.post(f"{PATH}/restore"))["status"] == "deregistered"
    assert (await worker.call("poll", worker_id=ID, current_load=0, max_concurrency=1)).status_code == 401
    await worker.register()
    await tenant.submit()
    await worker.lease()
    assert [act for act, _ in await operator.acts(ID)] == ["worker.revoke", "worker.restore"]


async def test_a_worker_that_is_revoked_while_it_asks_gets_nothing_any_more(
    operator: OperatorAccess, tenant: TenantAccess, control_plane: ControlPlane
) -> None:
    jobs = [await tenant.submit() for _ in range(6)]
    for number in range(3):
        async with SimpleWorker.registered(control_plane.url, f"i-{number}") as busy:
            poll = {"worker_id": busy.worker_id, "current_load": 0, "max_concurrency": 8}
            calls = [busy.call("poll", **poll) for _ in range(4)]
            await asyncio.gather(operator.post(f"/workers/i-{number}/revoke"), *calls)
    assert {(await tenant.job(job["id"]))["status"] for job in jobs} == {"queued"}


async def test_doing_it_again_changes_nothing_and_is_not_recorded(
    operator: OperatorAccess, worker: SimpleWorker
) -> None:
    for act in ("activate", "drain", "drain", "revoke", "revoke"):
        await operator.post(f"{PATH}/{act}")
    assert [act for act, _ in await operator.acts(worker.worker_id)] == ["worker.drain", "worker.revoke"]


@pytest.mark.parametrize("act", ["drain", "activate"])
async def test_what_makes_no_sense_is_refused(operator: OperatorAccess, worker: SimpleWorker, act: str) -> None:
    assert await operator.refused("POST", f"{PATH}/restore") == (409, "worker_act_refused")
    await worker.call("deregister")
    assert await operator.refused("POST", f"{PATH}/{act}") == (409, "worker_act_refused")


async def test_a_draining_worker_that_falls_silent_comes_back_draining(
    operator: OperatorAccess, control_plane: ControlPlane, worker: SimpleWorker
) -> None:
    await operator.post(f"{PATH}/drain")
    control_plane.clock.forward(seconds=300)
    await control_plane.look_after()
    answer = await worker.call("poll", worker_id=ID, current_load=0, max_concurrency=1)
    assert answer.json()["data"]["is_draining"]


async def test_a_silent_worker_is_lost_until_it_is_heard_of_again(
    operator: OperatorAccess, control_plane: ControlPlane, worker: SimpleWorker
) -> None:
    control_plane.clock.forward(seconds=300)
    await control_plane.look_after()
    assert (await operator.get(PATH))["status"] == "lost"
    await worker.poll()
    assert (await operator.get(PATH))["status"] == "active"


async def test_a_viewer_sees_workers_and_changes_none(control_plane: ControlPlane, worker: SimpleWorker) -> None:
    tenant = await control_plane.new_tenant("watchers")
    async with control_plane.wiring.sessions.begin() as session:
        owner = await tenants.find(session, "watchers")
        _, key = await tenants.create_key(session, owner, "watch", role=Role.VIEWER)
    viewer = OperatorAccess(control_plane, key)
    assert (await viewer.get(PATH))["worker_id"] == worker.worker_id
    assert (await viewer.get("/workers"))["total"] == 1
    for act in ("drain", "activate", "revoke", "restore"):
        assert await viewer.refused("POST", f"{PATH}/{act}") == (403, "operator_only")
        assert (await tenant.call("POST", f"/api{PATH}/{act}")).status_code == 403
    assert (await tenant.call("GET", f"/api{PATH}/log")).status_code == 403


async def test_workers_are_found_by_what_is_known_of_them(
    operator: OperatorAccess, control_plane: ControlPlane
) -> None:
    url = control_plane.url
    async with (
        SimpleWorker.registered(url, "i-0a", display_name="Left_hand", registration_source="dev_node"),
        SimpleWorker.registered(url, "i-0b", instance_type="g5.xlarge", capacity_type="spot"),
        SimpleWorker.registered(url, "i-0c") as third,
    ):
        await third.call("deregister")
        ids = [worker["worker_id"] for worker in (await operator.get("/workers"))["items"]]
        assert set(ids) == {"i-0a", "i-0b", "i-0c"}
        for query, found in (
            ({"q": "left_"}, {"i-0a"}),
            ({"q": "%"}, set()),
            ({"q": "G5."}, {"i-0b"}),
            ({"status": ["deregistered", "lost"]}, {"i-0c"}),
            ({"source": "dev_node"}, {"i-0a"}),
            ({"fleet": "gpu-default"}, {"i-0a", "i-0b", "i-0c"}),
            ({"fleet": "local/gpu-default", "status": "active"}, {"i-0a", "i-0b"}),
            ({"fleet": "production/gpu-default"}, set()),
        ):
            page = await operator.get("/workers", **query)
            assert ({worker["worker_id"] for worker in page["items"]}, page["total"]) == (found, len(found)), query
        pages = [await operator.get("/workers", limit=2, offset=offset) for offset in (0, 2)]
        assert [worker["worker_id"] for page in pages for worker in page["items"]] == ids
        assert {page["total"] for page in pages} == {3}


async def test_a_worker_is_shown_with_its_jobs(
    operator: OperatorAccess, tenant: TenantAccess, worker: SimpleWorker
) -> None:
    done = await tenant.submit()
    await worker.render()
    failed = await tenant.submit()
    await worker.call("fail", **lease_of(await worker.lease()), error_message="Not enough memory")
    running = await tenant.submit()
    progress = {"value": 0.25, "node_type": "KSampler"}
    await worker.call("heartbeat", **lease_of(await worker.lease()), progress=progress)
    shown = await operator.get(PATH)
    [job] = shown["jobs"]
    assert (job["id"], job["progress"], job["progress_node"], job["tenant"]) == (
        running["id"],
        0.25,
        "KSampler",
        "alpha",
    )
    assert [(job["id"], job["status"], job["error_message"]) for job in shown["recent_jobs"]] == [
        (failed["id"], "failed", "Not enough memory"),
        (done["id"], "completed", None),
    ]
    assert (await operator.get("/workers"))["items"][0]["jobs"] == [job]


async def test_node_classes_are_told_of_one_worker_and_not_of_all(
    operator: OperatorAccess, control_plane: ControlPlane
) -> None:
    capabilities = {"comfyui_version": "0.33.0", "node_classes": ["KSampler"], "odd": "\x00"}
    async with SimpleWorker.registered(control_plane.url, capabilities=capabilities):
        assert (await operator.get(PATH))["capabilities"] == capabilities
        [listed] = (await operator.get("/workers"))["items"]
    assert listed["capabilities"] == {"comfyui_version": "0.33.0", "odd": "\x00"}


@pytest.mark.parametrize(
    ("path", "refusal"),
    [
        ("/workers/i-unknown", (404, "worker_not_found")),
        ("/workers/i-unknown/log", (404, "worker_not_found")),
        ("/workers/no%20id", (422, "request_invalid")),
        ("/workers?status=asleep", (422, "request_invalid")),
        ("/workers?limit=0", (422, "request_invalid")),
        ("/workers?q=%00", (422, "request_invalid")),
        (f"/workers/i-1/log?after={2**63}", (422, "request_invalid")),
    ],
)
async def test_what_is_not_there_or_makes_no_sense_is_told(
    operator: OperatorAccess, path: str, refusal: tuple[int, str]
) -> None:
    assert await operator.refused("GET", path) == refusal


@pytest.mark.parametrize("act", ["drain", "activate", "revoke", "restore"])
async def test_nobody_acts_on_a_worker_that_is_unknown(operator: OperatorAccess, act: str) -> None:
    assert await operator.refused("POST", f"/workers/i-unknown/{act}") == (404, "worker_not_found")
