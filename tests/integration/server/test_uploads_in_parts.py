"""Users' uploads that come in parts."""

from pathlib import Path

import httpx
import pytest
from tests.integration.worker.plane import until
from tests.support.control_plane import ControlPlane, TenantAccess, running_control_plane

from comfyfleet.cloud.local.network import free_port
from comfyfleet.server.models import Upload

SIZE = 9 * 2**20
CONTENT = bytes(range(256)) * (SIZE // 256)


async def begin(tenant: TenantAccess) -> dict[str, object]:
    body = {"filename": "clip.mp4", "content_type": "video/mp4", "size": SIZE}
    answer = await tenant.call("POST", "/api/uploads/parted", body)
    assert answer.status_code == 201, answer.text
    data: dict[str, object] = answer.json()["data"]
    return data


async def send(tenant: TenantAccess, upload: dict[str, object], *numbers: int) -> None:
    path = f"/api/uploads/parted/{upload['upload_id']}/parts"
    signed = (await tenant.call("POST", path, {"numbers": list(numbers)})).json()["data"]
    async with httpx.AsyncClient() as plain:
        for part in signed:
            start = (part["number"] - 1) * int(str(upload["part_size"]))
            content = CONTENT[start : start + part["size"]]
            answer = await plain.put(part["url"], content=content, headers=part["headers"])
            assert answer.is_success, answer.text


async def test_an_upload_goes_on_with_what_is_missing_and_can_be_used(control_plane: ControlPlane) -> None:
    tenant = await control_plane.new_tenant("acme")
    upload = await begin(tenant)
    path = f"/api/uploads/parted/{upload['upload_id']}"
    assert (upload["part_count"], upload["received"], upload["is_stored"]) == (2, [], False)
    await send(tenant, upload, 2)
    assert (await tenant.call("GET", path)).json()["data"]["received"] == [2]
    refused = await tenant.call("POST", f"{path}/complete")
    assert refused.json()["error"]["code"] == "parts_missing"
    await send(tenant, upload, 1)
    for _ in range(2):  # the second call changes nothing
        done = (await tenant.call("POST", f"{path}/complete")).json()["data"]
        assert (done["is_stored"], done["received"]) == (True, [1, 2])
    view = (await tenant.call("GET", f"/api/uploads/{upload['upload_id']}")).json()["data"]
    async with httpx.AsyncClient() as plain:
        assert (await plain.get(view["url"])).content == CONTENT
    job = await tenant.submit("invert-video", input_video=upload["upload_id"])
    assert job["status"] == "queued"


async def test_another_tenant_sees_nothing_of_it(control_plane: ControlPlane) -> None:
    owner, other = await control_plane.new_tenant("acme"), await control_plane.new_tenant("spy")
    path = f"/api/uploads/parted/{(await begin(owner))['upload_id']}"
    assert (await other.call("GET", path)).status_code == 404
    assert (await other.call("POST", f"{path}/parts", {"numbers": [1]})).status_code == 404
    assert (await other.call("POST", f"{path}/complete")).status_code == 404


async def test_a_part_that_it_does_not_have_is_not_signed(control_plane: ControlPlane) -> None:
    tenant = await control_plane.new_tenant("acme")
    path = f"/api/uploads/parted/{(await begin(tenant))['upload_id']}/parts"
    assert (await tenant.call("POST", path, {"numbers": [3]})).json()["error"]["code"] == "part_unknown"


async def test_one_that_nobody_went_on_with_is_dropped_after_a_week(control_plane: ControlPlane) -> None:
    tenant = await control_plane.new_tenant("acme")
    upload = await begin(tenant)
    await send(tenant, upload, 1)
    control_plane.clock.forward(days=8)
    await control_plane.look_after()
    assert (await tenant.call("GET", f"/api/uploads/parted/{upload['upload_id']}")).status_code == 404


async def test_a_file_that_is_too_large_is_refused_at_once(control_plane: ControlPlane) -> None:
    tenant = await control_plane.new_tenant("acme")
    body = {"filename": "clip.mp4", "content_type": "video/mp4", "size": 2**50}
    assert (await tenant.call("POST", "/api/uploads/parted", body)).status_code == 413


async def test_maintenance_goes_on_while_storage_is_away(
    database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {
        "aws_bucket": "media",
        "aws_endpoint_url": f"http://127.0.0.1:{free_port()}",
        "aws_access_key_id": "nobody",
        "aws_secret_access_key": "nothing",
        "maintenance_interval_seconds": 0.05,
    }
    async with running_control_plane(database_url, tmp_path, **settings) as control_plane:
        tenant = await control_plane.new_tenant("acme")
        upload = Upload(tenant_id=tenant.id, filename="clip.mp4", content_type="video/mp4", size=SIZE, object_key="a/b")
        upload.store_upload_id, upload.part_size = "begun", 2**23
        async with control_plane.wiring.sessions.begin() as session:
            session.add(upload)
        control_plane.clock.forward(days=8)
        await until(lambda: caplog.text.count("maintenance was cut short") > 1, "a second look")
