"""The dashboard and the workers: what the pages say, to whom, and what they let happen."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import delete
from tests.integration.web.test_operations import HOSTILE, LONG, post, signed_in_as, text_of
from tests.support.bundle_library import BundleLibrary
from tests.support.control_plane import ControlPlane, TenantAccess
from tests.support.simple_worker import SimpleWorker, lease_of

from comfyfleet.server.models import Worker, WorkerLogLine

PAGE = "/admin/workers/i-0simple"
GPU = {"name": "cuda:0 NVIDIA A10G : cudaMallocAsync", "vram_total": 24_000_000_000, "vram_free": 6_000_000_000}


@pytest.fixture
async def tenant(control_plane: ControlPlane) -> TenantAccess:
    """Return a tenant with 100 credits."""
    return await control_plane.new_tenant("alpha")


def log_line(text: str, level: str = "INFO") -> dict[str, Any]:
    return {"at": datetime.now(UTC).isoformat(), "level": level, "text": text}


async def test_the_dashboard_tells_what_needs_attention_and_where_to_look(
    control_plane: ControlPlane, signed_in: httpx.AsyncClient, tenant: TenantAccess
) -> None:
    page = await text_of(signed_in, "/admin")
    assert "Nothing at the moment." in page
    await tenant.submit()
    control_plane.clock.forward(minutes=1)
    page = await text_of(signed_in, "/admin")
    assert "local/gpu-default: 1 job waits, and no worker is there to take one." in page
    assert "Start a worker on a machine of this fleet" in page
    assert 'href="/admin/workers?fleet=local/gpu-default"' in page
    now = await text_of(signed_in, "/admin/now")
    assert "1 job waits" in now
    assert "<html" not in now


async def test_the_dashboard_tells_a_fleet_over_time_without_scripts(
    control_plane: ControlPlane, signed_in: httpx.AsyncClient, tenant: TenantAccess
) -> None:
    async with SimpleWorker.registered(control_plane.url) as worker:
        await tenant.submit()
        await worker.render()
        await tenant.submit()
        await worker.call("fail", **lease_of(await worker.lease()), error_message="x")
        control_plane.clock.forward(seconds=30)
        await control_plane.look_after()
    for range_ in ("1h", "6h", "24h", "7d", "nonsense"):
        page = await text_of(signed_in, f"/admin?range={range_}")
        assert "1 job completed" in page
        assert "1 job failed, 50.0% of those that ended." in page
        assert '<th scope="row"><time' in page
    series = await text_of(signed_in, "/admin/series?fleet=local/gpu-default&range=6h")
    assert 'id="words-queue"' in series
    assert 'hx-trigger="every 30s"' in series


async def test_another_fleet_is_looked_at(control_plane: ControlPlane, signed_in: httpx.AsyncClient) -> None:
    async with control_plane.client() as admin:
        await admin.post("/api/fleets", json={"stage": "production", "slug": "farm"})
    assert "local/gpu-default over time" in await text_of(signed_in, "/admin")
    assert "production/farm over time" in await text_of(signed_in, "/admin?fleet=production/farm")
    assert "local/gpu-default over time" in await text_of(signed_in, "/admin?fleet=no/such")


async def test_without_fleets_the_dashboard_says_how_to_begin(
    control_plane: ControlPlane, signed_in: httpx.AsyncClient
) -> None:
    async with control_plane.client() as admin:
        assert (await admin.delete("/api/fleets/local/gpu-default")).is_success
    assert "There are no fleets yet." in await text_of(signed_in, "/admin")
    assert (await signed_in.get("/admin/series")).status_code == 404


async def test_workers_are_listed_searched_and_filtered(
    control_plane: ControlPlane, signed_in: httpx.AsyncClient
) -> None:
    assert "No worker has registered yet." in await text_of(signed_in, "/admin/workers")
    async with (
        SimpleWorker.registered(control_plane.url, "i-0left", display_name=f"{HOSTILE} {LONG[:150]}") as left,
        SimpleWorker.registered(control_plane.url, "i-0here", instance_type="g5.xlarge") as here,
    ):
        await here.call("report", figures={"gpus": [GPU]})
        await left.call("deregister")
        page = await text_of(signed_in, "/admin/workers")
        assert "&lt;script&gt;alert(1)" in page
        assert "<script>alert" not in page
        assert "18.0 GB of 24.0 GB in use" in page
        assert ">NVIDIA A10G<" in page
        for query in ("q=g5", "status=active", "q=i-0h&fleet=local/gpu-default&source=fleet"):
            page = await text_of(signed_in, f"/admin/workers?{query}")
            assert ('id="worker-i-0here"' in page, 'id="worker-i-0left"' in page) == (True, False), query
        assert "No worker fits." in await text_of(signed_in, "/admin/workers?source=local")
        assert "of 2 workers" in await text_of(signed_in, "/admin/workers?status=nonsense")
    assert (await signed_in.get("/admin/workers?q=%00")).status_code == 422


async def test_a_long_list_of_workers_has_pages(control_plane: ControlPlane, signed_in: httpx.AsyncClient) -> None:
    async with SimpleWorker.registered(control_plane.url) as worker:
        for number in range(54):
            worker.worker_id = f"i-{number}"
            await worker.register()
    first = await text_of(signed_in, "/admin/workers")
    assert "50 of 55 workers" in first
    second = await text_of(signed_in, "/admin/workers?offset=50")
    assert second.count('<tr id="worker-') == 5


async def test_a_worker_is_shown_with_figures_jobs_bundle_and_log(
    control_plane: ControlPlane, signed_in: httpx.AsyncClient, tenant: TenantAccess
) -> None:
    library = BundleLibrary(control_plane)
    bundle = await library.create("paint", (await library.asset("ink.safetensors")).id)
    wanted = await library.create("newer", (await library.asset("oil.safetensors")).id)
    await library.data("PUT", "/api/fleets/local/gpu-default/bundle", {"bundle": wanted["bundle_id"]})
    async with SimpleWorker.registered(control_plane.url, capabilities={"node_classes": ["KSampler"]}) as worker:
        await tenant.submit()
        await worker.call("fail", **lease_of(await worker.lease()), error_message=f"Not enough memory {HOSTILE}")
        await tenant.submit("caption-video", prompt="x")
        await worker.call("heartbeat", **lease_of(await worker.lease()), progress={"value": 0.25, "node_type": HOSTILE})
        log = [log_line(f"a line {HOSTILE}"), log_line("it went wrong", "ERROR")]
        await worker.call("report", figures={"gpus": [GPU]}, bundle_id=bundle["bundle_id"], log=log)
        page = await text_of(signed_in, PAGE)
    assert "<script>alert" not in page
    for words in (
        "18.0 GB of 24.0 GB in use",
        'value="18000000000"',
        "25 %, &lt;script&gt;",
        "Not enough memory &lt;script&gt;",
        "paint@1",
        "newer@1",
        "a line &lt;script&gt;",
        'class="text-danger"><time',
        "1 node of its ComfyUI",
        "KSampler",
    ):
        assert words in page, words


async def test_a_worker_that_told_nothing_has_a_page(control_plane: ControlPlane, signed_in: httpx.AsyncClient) -> None:
    async with SimpleWorker.registered(control_plane.url, capabilities={"node_classes": "all of them"}):
        page = await text_of(signed_in, PAGE)
    assert "It has told nothing of its GPUs." in page
    assert "It has had no job yet." in page
    assert (await signed_in.get("/admin/workers/i-unknown")).status_code == 404


async def test_an_operator_drains_activates_revokes_and_restores(
    control_plane: ControlPlane, signed_in: httpx.AsyncClient, tenant: TenantAccess
) -> None:
    job = await tenant.submit()
    async with SimpleWorker.registered(control_plane.url) as worker:
        await worker.lease()
        assert "ends the jobs that it has" in await post(signed_in, f"{PAGE}/drain")
        assert "It ends 1 job and gets no more." in await text_of(signed_in, PAGE)
        assert "gets jobs again" in await post(signed_in, f"{PAGE}/activate")
        assert "was revoked" in await post(signed_in, f"{PAGE}/revoke")
        assert (await tenant.job(job["id"]))["status"] == "queued"
        page = await text_of(signed_in, PAGE)
        assert "It is kept out until it is restored." in page
        assert f'action="{PAGE}/drain"' not in page
        assert "may register again" in await post(signed_in, f"{PAGE}/restore")
        await worker.register()
    assert (await signed_in.post(f"{PAGE}/restore")).status_code == 409
    assert (await signed_in.post(f"{PAGE}/dance")).status_code == 422


async def test_a_viewer_sees_workers_without_acts_and_a_user_sees_nothing(
    control_plane: ControlPlane, signed_in: httpx.AsyncClient
) -> None:
    viewer = await signed_in_as(control_plane, "viewer")
    async with SimpleWorker.registered(control_plane.url) as worker, viewer:
        assert f'action="{PAGE}/drain"' in await text_of(signed_in, PAGE)
        assert f'action="{PAGE}/drain"' not in await text_of(viewer, PAGE)
        for act in ("drain", "activate", "revoke", "restore"):
            assert (await viewer.post(f"{PAGE}/{act}")).status_code == 403
        assert "Dashboard" in await text_of(viewer, "/admin")
        poll = await worker.call("poll", worker_id=worker.worker_id, current_load=0, max_concurrency=1)
        assert not poll.json()["data"]["is_draining"]
    async with await signed_in_as(control_plane, "user") as user:
        for path in ("/admin", "/admin/now", "/admin/series", "/admin/workers", PAGE):
            assert (await user.get(path)).status_code == 403
        assert (await user.post(f"{PAGE}/drain")).status_code == 403


async def test_a_worker_that_is_gone_is_told_to_whoever_watches_it(
    control_plane: ControlPlane, signed_in: httpx.AsyncClient
) -> None:
    async with SimpleWorker.registered(control_plane.url) as worker:
        await worker.call("report", log=[log_line("hello")])
    async with control_plane.wiring.sessions.begin() as session:
        await session.execute(delete(WorkerLogLine))
        await session.execute(delete(Worker))
    answer = await signed_in.get(PAGE, headers={"HX-Request": "true", "HX-Target": "state"})
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (404, "#notices")
    assert "There is no worker" in answer.text
