"""Users' uploads that come in parts."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from tests.integration.worker.plane import until
from tests.support.control_plane import ControlPlane, TenantAccess, running_control_plane

from comfyfleet.client.api import ControlPlane as Client
from comfyfleet.client.connection import Connection
from comfyfleet.client.transfers import FileChanged
from comfyfleet.client.uploads import upload as upload_file
from comfyfleet.cloud.local.network import free_port
from comfyfleet.protocol.api import NewUpload
from comfyfleet.protocol.uploads import PartedUploadView
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
    async with httpx.AsyncClient(timeout=60) as plain:
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
    async with httpx.AsyncClient(timeout=60) as plain:
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


async def test_one_that_is_not_wanted_any_more_is_dropped_with_its_parts(control_plane: ControlPlane) -> None:
    tenant, other = await control_plane.new_tenant("acme"), await control_plane.new_tenant("spy")
    upload = await begin(tenant)
    path = f"/api/uploads/parted/{upload['upload_id']}"
    await send(tenant, upload, 1)
    assert (await other.call("DELETE", path)).status_code == 404
    assert (await tenant.call("DELETE", path)).status_code == 200
    assert (await tenant.call("GET", path)).status_code == 404
    assert uploads_on_disk(control_plane) == []


async def test_one_that_has_arrived_is_not_dropped(control_plane: ControlPlane) -> None:
    tenant = await control_plane.new_tenant("acme")
    upload = await begin(tenant)
    path = f"/api/uploads/parted/{upload['upload_id']}"
    await send(tenant, upload, 1, 2)
    await tenant.call("POST", f"{path}/complete")
    assert (await tenant.call("DELETE", path)).json()["error"]["code"] == "upload_over"


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


def uploads_on_disk(control_plane: ControlPlane) -> list[Path]:
    """Return the uploads in parts that the media bucket holds."""
    return list((control_plane.wiring.settings.objects_folder / "media" / "parts").iterdir())


@pytest.fixture
def client(control_plane: ControlPlane) -> Iterator[Client]:
    """Return the client library with the administrator's key."""
    with Client(Connection(url=control_plane.url, api_key=SecretStr(control_plane.admin_key))) as client:
        yield client


async def test_the_client_sends_a_large_file_in_parts(
    control_plane: ControlPlane, client: Client, tmp_path: Path
) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(CONTENT)
    seen: list[tuple[int, int | None]] = []
    upload_id = await asyncio.to_thread(
        upload_file, client, clip, "video/mp4", lambda *step: seen.append(step), in_parts_from=SIZE
    )
    assert seen[-1] == (SIZE, SIZE)
    async with control_plane.client() as admin:
        parted = (await admin.get(f"/api/uploads/parted/{upload_id}")).json()["data"]
        assert (parted["is_stored"], parted["part_count"]) == (True, 2)
        view = (await admin.get(f"/api/uploads/{upload_id}")).json()["data"]
        assert (await admin.get(view["url"])).content == CONTENT


async def test_the_client_keeps_nothing_of_a_file_that_changed(control_plane: ControlPlane, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(CONTENT)

    class Late(Client):
        """Gets its answer after the file has grown."""

        def begin_in_parts(self, new: NewUpload) -> PartedUploadView:
            with clip.open("ab") as file:
                file.write(b"more")
            return super().begin_in_parts(new)

    with (
        Late(Connection(url=control_plane.url, api_key=SecretStr(control_plane.admin_key))) as client,
        pytest.raises(FileChanged, match="became longer"),
    ):
        await asyncio.to_thread(upload_file, client, clip, "video/mp4", lambda *_: None, in_parts_from=1)
    assert uploads_on_disk(control_plane) == []


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
