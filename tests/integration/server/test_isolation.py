"""One tenant never sees another's anything, and a signed URL opens one thing for a while."""

from datetime import timedelta

import httpx
import pytest
from tests.support.control_plane import ControlPlane, TenantAccess
from tests.support.simple_worker import SimpleWorker, lease_of


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/jobs/{job}"),
        ("GET", "/api/jobs/{job}/timeline"),
        ("GET", "/api/jobs/{job}/events"),
        ("POST", "/api/jobs/{job}/cancel"),
        ("GET", "/api/uploads/{upload}"),
    ],
)
async def test_another_tenants_things_are_not_found(
    control_plane: ControlPlane, tenant: TenantAccess, method: str, path: str
) -> None:
    upload = await tenant.upload(b"private")
    job = await tenant.submit("invert-video", input_video=upload)
    other = await control_plane.new_tenant("other")
    answer = await other.call(method, path.format(job=job["id"], upload=upload))
    assert answer.status_code == 404
    assert (await other.call("GET", "/api/jobs")).json()["data"]["items"] == []


async def test_another_tenants_upload_cannot_be_used(control_plane: ControlPlane, tenant: TenantAccess) -> None:
    upload = await tenant.upload(b"private")
    other = await control_plane.new_tenant("other")
    answer = await other.call("POST", "/api/jobs", {"effect": "invert-video", "values": {"input_video": upload}})
    assert answer.status_code == 404
    assert await other.ledger() == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/workflows"),
        ("GET", "/api/fleets"),
        ("GET", "/api/workers"),
        ("GET", "/api/tenants"),
        ("POST", "/api/tenants/alpha/grants"),
        ("GET", "/api/keys?tenant=local"),
    ],
)
async def test_an_ordinary_key_is_no_administrators(tenant: TenantAccess, method: str, path: str) -> None:
    body = {"amount": 5, "reason": "greed"} if method == "POST" else None
    assert (await tenant.call(method, path, body)).status_code == 403


async def test_a_request_without_a_key_is_refused(control_plane: ControlPlane) -> None:
    async with httpx.AsyncClient(base_url=control_plane.url, timeout=60) as nobody:
        assert (await nobody.get("/api/jobs")).status_code == 401
        assert (await nobody.get("/api/jobs", headers={"Authorization": "Bearer cfk_wrong"})).status_code == 401


async def test_a_revoked_key_stops_working(tenant: TenantAccess) -> None:
    keys = (await tenant.call("GET", "/api/keys")).json()["data"]
    assert (await tenant.call("DELETE", f"/api/keys/{keys[0]['id']}")).status_code == 200
    assert (await tenant.call("GET", "/api/me")).status_code == 401


async def test_an_output_url_stops_when_it_expires(
    control_plane: ControlPlane, tenant: TenantAccess, worker: SimpleWorker
) -> None:
    job = await tenant.submit()
    await worker.render()
    url = (await tenant.job(job["id"]))["output_url"]
    async with httpx.AsyncClient(timeout=60) as anyone:
        assert (await anyone.get(url)).content == b"rendered"
        control_plane.clock.forward(hours=2)
        control_plane.wiring.disk_stores["media"].now = control_plane.clock
        refused = await anyone.get(url)
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "signature_expired"


async def test_a_signed_url_opens_no_other_key_or_method(tenant: TenantAccess, worker: SimpleWorker) -> None:
    await tenant.submit()
    leased = await worker.lease()
    async with httpx.AsyncClient(timeout=60) as anyone:
        other_key = leased["input_url"].replace("clip.mp4", "other.mp4")
        assert (await anyone.get(other_key)).status_code == 403
        assert (await anyone.put(leased["input_url"], content=b"x")).status_code == 403
        assert (await anyone.get(leased["output_url"])).status_code == 403
        assert (await anyone.delete(leased["output_url"])).status_code == 405
        longer = leased["output_url"].replace("expires=", "expires=9")
        assert (await anyone.put(longer, content=b"x", headers=leased["output_headers"])).status_code == 403


async def test_a_worker_cannot_touch_anothers_lease(
    control_plane: ControlPlane, tenant: TenantAccess, worker: SimpleWorker
) -> None:
    job = await tenant.submit()
    leased = await worker.lease()
    async with SimpleWorker.registered(control_plane.url, "i-0thief") as thief:
        for verb in ("heartbeat", "fail", "requeue"):
            answer = await thief.call(verb, **lease_of(leased), error_message="x", reason="x")
            assert answer.status_code == 409
        assert (await thief.complete(leased, await thief.put_output(leased))).status_code == 409
    assert (await tenant.job(job["id"]))["status"] == "processing"


async def test_a_worker_needs_the_fleet_secret(control_plane: ControlPlane) -> None:
    body = {"worker_id": "i-1", "fleet_slug": "gpu-default"}
    async with httpx.AsyncClient(base_url=control_plane.url, timeout=60) as stranger:
        assert (await stranger.post("/api/worker/register", json=body)).status_code == 401
        wrong = {"X-Fleet-Secret": "wrong"}
        assert (await stranger.post("/api/worker/register", json=body, headers=wrong)).status_code == 401


async def test_signed_urls_last_as_long_as_they_say(tenant: TenantAccess) -> None:
    body = {"filename": "a.mp4", "content_type": "video/mp4", "size": 3}
    ticket = (await tenant.call("POST", "/api/uploads", body)).json()["data"]
    assert ticket["expires_at"] > (tenant.control_plane.clock() + timedelta(hours=5)).isoformat()
