"""Bytes become an asset only after they were read, whatever happens on the way."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from moto.server import ThreadedMotoServer
from tests.support.asset_library import MIB, AssetLibrary, digest_of
from tests.support.control_plane import ControlPlane, TenantAccess, running_control_plane
from tests.support.seaweedfs import ACCESS_KEY, SECRET_KEY, client_of, seaweedfs

from comfyfleet.cloud.aws.s3 import make_s3_client
from comfyfleet.cloud.ports import PartedUpload
from comfyfleet.protocol.library import UploadState
from comfyfleet.server.assets import upload_repository
from comfyfleet.server.assets.arrivals import Arrivals
from comfyfleet.server.models import AssetUpload

TWO_PARTS = bytes(range(256)) * (17 * MIB // 256)


@pytest.fixture
def library(control_plane: ControlPlane) -> AssetLibrary:
    """Return the library of a control plane with its objects on disk."""
    return AssetLibrary(control_plane)


@contextlib.asynccontextmanager
async def library_on_s3(database_url: str, folder: Path, endpoint: str) -> AsyncIterator[AssetLibrary]:
    """Run a control plane whose models lie in a new bucket of an S3 server."""
    bucket = f"models-{uuid4().hex}"
    settings = {
        "comfyui_models_bucket": bucket,
        "comfyui_models_endpoint_url": endpoint,
        "comfyui_models_access_key_id": ACCESS_KEY,
        "comfyui_models_secret_access_key": SECRET_KEY,
    }
    client = make_s3_client(endpoint_url=endpoint, access_key_id=ACCESS_KEY, secret_access_key=SECRET_KEY)
    client.create_bucket(Bucket=bucket)
    client.close()
    async with running_control_plane(database_url, folder, **settings) as control_plane:
        yield AssetLibrary(control_plane)


async def check_a_file_comes_in(library: AssetLibrary) -> None:
    """Upload a file of two parts, the second of them first, and read what became of it."""
    upload = await library.begin(TWO_PARTS, "wan_vae.safetensors", notes="from the studio", license="mit")
    assert (upload["state"], upload["part_count"], upload["received"]) == ("receiving", 2, [])
    await library.send(upload, TWO_PARTS, [2])
    resumed = await library.begin(TWO_PARTS, "wan_vae.safetensors")
    assert (resumed["upload_id"], resumed["received"], resumed["received_bytes"]) == (upload["upload_id"], [2], MIB)
    await library.send(upload, TWO_PARTS, [1])
    await library.complete(upload, digest_of(TWO_PARTS))
    done = await library.until_over(upload)
    assert (done["state"], done["verified_bytes"], done["problem"]) == ("stored", len(TWO_PARTS), None)
    asset = done["asset"]
    assert (asset["kind"], asset["sha256"], asset["size"]) == ("vae", digest_of(TWO_PARTS), len(TWO_PARTS))
    assert (asset["notes"], asset["license"], asset["filenames"]) == ("from the studio", "mit", ["wan_vae.safetensors"])
    assert library.keys() == [f"assets/vae/{digest_of(TWO_PARTS)}"] == [asset["object_key"]]
    stored = library.control_plane.wiring.models.read(asset["object_key"], start=16 * MIB - 3, length=6)
    assert stored == TWO_PARTS[16 * MIB - 3 : 16 * MIB + 3]


async def check_wrong_bytes_are_refused(library: AssetLibrary) -> None:
    """Announce another digest than that of the bytes."""
    wrong = digest_of(b"something else")
    upload = await library.begin(b"some bytes")
    await library.send(upload, b"some bytes")
    await library.complete(upload, wrong)
    done = await library.until_over(upload)
    assert done["state"] == "refused"
    assert wrong in done["problem"]
    assert digest_of(b"some bytes") in done["problem"]
    assert library.keys() == []
    assert (await library.data("GET", ""))["total"] == 0


async def test_a_file_comes_in_in_parts_on_disk(library: AssetLibrary) -> None:
    await check_a_file_comes_in(library)


async def test_wrong_bytes_are_refused_and_removed_on_disk(library: AssetLibrary) -> None:
    await check_wrong_bytes_are_refused(library)


async def test_a_file_comes_in_and_wrong_bytes_do_not_on_moto(database_url: str, tmp_path: Path) -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        async with library_on_s3(database_url, tmp_path, f"http://{host}:{port}") as library:
            await check_wrong_bytes_are_refused(library)
            await check_a_file_comes_in(library)
    finally:
        server.stop()


async def test_a_file_comes_in_and_wrong_bytes_do_not_on_seaweedfs(database_url: str, tmp_path: Path) -> None:
    with seaweedfs(tmp_path) as endpoint:
        client_of(endpoint).close()
        async with library_on_s3(database_url, tmp_path, endpoint) as library:
            await check_wrong_bytes_are_refused(library)
            await check_a_file_comes_in(library)


async def test_known_bytes_are_not_sent_again(library: AssetLibrary) -> None:
    asset = await library.add(b"the bytes", "first.safetensors")
    asked = await library.begin(b"the bytes", "second.safetensors")
    assert (asked["state"], asked["may_be_known"]) == ("receiving", True)
    known = await library.begin(b"the bytes", "second.safetensors", sha256=asset["sha256"])
    assert (known["state"], known["was_known"], known["asset"]["id"]) == ("stored", True, asset["id"])
    assert known["asset"]["filenames"] == ["first.safetensors", "second.safetensors"]
    assert (await library.show(known))["was_known"]
    assert (await library.show(asked))["state"] == "refused"
    again = await library.begin(b"the bytes", "first.safetensors", sha256=asset["sha256"])
    assert again["asset"]["filenames"] == ["second.safetensors", "first.safetensors"]


async def test_a_known_digest_of_another_size_is_refused(library: AssetLibrary) -> None:
    asset = await library.add(b"the bytes")
    new = {"filename": "a", "size": 3, "head_sha256": digest_of(b"abc"), "sha256": asset["sha256"]}
    status, code, message = await library.refused("POST", "/uploads", new)
    assert (status, code) == (422, "digest_wrong")
    assert "9 bytes" in message
    assert "has 3" in message


async def test_bytes_that_became_known_meanwhile_only_add_a_name(library: AssetLibrary) -> None:
    slow = await library.begin(b"the bytes", "slow.safetensors", kind="vae")
    await library.send(slow, b"the bytes")
    asset = await library.add(b"the bytes", "quick.safetensors", kind="lora")
    await library.complete(slow, asset["sha256"])
    done = await library.until_over(slow)
    assert (done["asset"]["id"], done["asset"]["kind"]) == (asset["id"], "lora")
    assert done["asset"]["filenames"] == ["quick.safetensors", "slow.safetensors"]
    assert library.keys() == [f"assets/lora/{asset['sha256']}"]


async def test_the_same_bytes_as_two_kinds_at_once_become_one_asset(library: AssetLibrary) -> None:
    content = bytes(3 * MIB)
    uploads = [await library.begin(content, f"{kind}.safetensors", kind=kind) for kind in ("vae", "lora")]
    for upload in uploads:
        await library.send(upload, content)
    await asyncio.gather(*(library.complete(upload, digest_of(content)) for upload in uploads))
    done = [await library.until_over(upload) for upload in uploads]
    assert [one["state"] for one in done] == ["stored", "stored"]
    assert library.keys() == [done[0]["asset"]["object_key"]]
    assert sorted((await library.data("GET", f"/{digest_of(content)}"))["filenames"]) == [
        "lora.safetensors",
        "vae.safetensors",
    ]


async def test_an_upload_with_missing_parts_stays_open(library: AssetLibrary) -> None:
    upload = await library.begin(TWO_PARTS)
    await library.send(upload, TWO_PARTS, [1])
    path = f"/uploads/{upload['upload_id']}/complete"
    status, code, message = await library.refused("POST", path, {"sha256": digest_of(TWO_PARTS)})
    assert (status, code) == (409, "parts_missing")
    assert "1 of 2" in message
    assert (await library.show(upload))["received"] == [1]


async def test_completing_twice_changes_nothing(library: AssetLibrary) -> None:
    upload = await library.begin(b"bytes")
    await library.send(upload, b"bytes")
    for _ in range(3):
        assert (await library.complete(upload, digest_of(b"bytes")))["state"] in {"verifying", "stored"}
    await library.until_over(upload)
    assert (await library.complete(upload, digest_of(b"other")))["state"] == "stored"
    assert [entry["action"] for entry in await library.audit()] == ["asset.add"]


async def test_an_upload_that_is_over_takes_no_parts(library: AssetLibrary) -> None:
    upload = await library.begin(b"bytes")
    assert (await library.call("DELETE", f"/uploads/{upload['upload_id']}")).is_success
    assert (await library.show(upload))["state"] == "refused"
    status, code, _ = await library.refused("POST", f"/uploads/{upload['upload_id']}/parts", {"numbers": [1]})
    assert (status, code) == (409, "asset_upload_over")
    assert (await library.refused("DELETE", f"/uploads/{upload['upload_id']}"))[0] == 409
    again = await library.begin(b"bytes")
    assert again["upload_id"] != upload["upload_id"]


async def test_parts_are_numbered_from_one_to_the_last(library: AssetLibrary) -> None:
    upload = await library.begin(b"bytes")
    path = f"/uploads/{upload['upload_id']}/parts"
    for numbers in ([0], [2], [1, 2], [], list(range(1, 102)), [10_001]):
        assert (await library.refused("POST", path, {"numbers": numbers}))[0] == 422


@pytest.mark.parametrize("changes", [{"size": 0}, {"size": 2**41}, {"head_sha256": "A" * 64}, {"filename": ""}])
async def test_an_impossible_upload_is_refused(library: AssetLibrary, changes: dict[str, Any]) -> None:
    new = {"filename": "a", "size": 3, "head_sha256": digest_of(b"abc"), **changes}
    assert (await library.refused("POST", "/uploads", new))[0] == 422


async def test_a_name_with_what_no_database_stores_is_cleaned(library: AssetLibrary) -> None:
    asset = await library.add(b"bytes", "a\x00b.safetensors", notes="no\x00te")
    assert (asset["filenames"], asset["notes"]) == (["ab.safetensors"], "note")


async def test_unknown_uploads_are_not_found(library: AssetLibrary) -> None:
    for upload_id in ("nonsense", str(UUID(int=0))):
        assert (await library.refused("GET", f"/uploads/{upload_id}"))[:2] == (404, "asset_upload_not_found")


async def test_an_upload_whose_parts_the_store_has_dropped_begins_anew(library: AssetLibrary) -> None:
    upload = await library.begin(b"bytes")
    row = await stored_upload(library, upload)
    library.control_plane.wiring.model_parts.abort(
        PartedUpload(f"incoming/{row.id}", row.store_upload_id, "", row.size, row.part_size)
    )
    again = await library.begin(b"bytes")
    assert again["upload_id"] != upload["upload_id"]
    assert (await library.show(upload))["problem"] == "The store has dropped the parts that were sent."


async def test_maintenance_drops_what_nobody_went_on_with_for_a_week(library: AssetLibrary) -> None:
    upload = await library.begin(b"bytes")
    library.control_plane.clock.forward(days=6)
    await library.control_plane.look_after()
    assert (await library.show(upload))["state"] == "receiving"
    await library.send(upload, b"bytes")
    library.control_plane.clock.forward(days=6)
    await library.control_plane.look_after()
    assert (await library.show(upload))["received"] == [1]
    library.control_plane.clock.forward(days=2)
    await library.control_plane.look_after()
    view = await library.show(upload)
    assert (view["state"], view["received"]) == ("refused", [])
    folder = library.control_plane.wiring.settings.objects_folder
    assert not [path for path in folder.rglob("*") if path.name == "data" and path.is_file()]


async def test_another_control_plane_goes_on_when_a_lease_has_run_out(
    control_plane: ControlPlane, library: AssetLibrary
) -> None:
    upload = await library.begin(b"bytes")
    await library.send(upload, b"bytes")
    await as_if_claimed_by_a_process_that_died(control_plane, upload, digest_of(b"bytes"))
    other = Arrivals(control_plane.wiring)
    other.start()
    try:
        await everything_idle(other)
        assert (await library.show(upload))["state"] == "verifying"
        control_plane.clock.forward(seconds=61)
        other.wake()
        assert (await library.until_over(upload))["state"] == "stored"
    finally:
        await other.stop()


async def test_a_crash_right_after_the_move_loses_nothing(control_plane: ControlPlane, library: AssetLibrary) -> None:
    digest = digest_of(b"bytes")
    upload = await library.begin(b"bytes", kind="vae")
    await library.send(upload, b"bytes")
    row = await stored_upload(library, upload)
    parted = PartedUpload(f"incoming/{row.id}", row.store_upload_id, "", row.size, row.part_size)
    control_plane.wiring.model_parts.complete(parted)
    assert control_plane.wiring.model_index.move(parted.key, f"assets/vae/{digest}")
    await as_if_claimed_by_a_process_that_died(control_plane, upload, digest)
    control_plane.clock.forward(seconds=61)
    await arrivals_once(control_plane)
    done = await library.until_over(upload)
    assert (done["state"], done["asset"]["object_key"]) == ("stored", f"assets/vae/{digest}")
    assert library.keys() == [f"assets/vae/{digest}"]


async def test_bytes_under_a_key_that_no_asset_has_are_replaced(library: AssetLibrary) -> None:
    digest = digest_of(b"bytes")
    models = library.control_plane.wiring.models
    models.write(f"assets/vae/{digest}", b"wrong", content_type="application/octet-stream")
    asset = await library.add(b"bytes", kind="vae")
    assert models.read(asset["object_key"]) == b"bytes"


async def test_two_control_planes_never_verify_the_same_upload(
    control_plane: ControlPlane, library: AssetLibrary
) -> None:
    others = [Arrivals(control_plane.wiring) for _ in range(3)]
    for other in others:
        other.start()
    try:
        for number in range(8):
            content = bytes([number]) * (2 * MIB)
            upload = await library.begin(content, f"{number}.safetensors")
            await library.send(upload, content)
            await library.complete(upload, digest_of(content))
            for other in others:
                other.wake()
            assert (await library.until_over(upload))["state"] == "stored"
    finally:
        for other in others:
            await other.stop()
    assert [entry["action"] for entry in await library.audit()] == ["asset.add"] * 8


async def test_no_tenant_sees_the_library(library: AssetLibrary, tenant: TenantAccess) -> None:
    asset = await library.add(b"bytes")
    upload = await library.begin(b"other bytes")
    paths = ["", f"/{asset['id']}", f"/{asset['sha256']}", f"/uploads/{upload['upload_id']}"]
    for path in paths:
        assert (await tenant.call("GET", f"/api/assets{path}")).status_code == 403
    new = {"filename": "a", "size": 3, "head_sha256": digest_of(b"abc")}
    assert (await tenant.call("POST", "/api/assets/uploads", new)).status_code == 403
    assert (await tenant.call("POST", "/api/assets/imports", {"url": "https://example.com/a"})).status_code == 403
    assert (await tenant.call("DELETE", f"/api/assets/{asset['id']}")).status_code == 403
    assert (await tenant.call("GET", "/api/audit")).status_code == 403


async def stored_upload(library: AssetLibrary, upload: dict[str, Any]) -> AssetUpload:
    """Return an upload's row."""
    async with library.control_plane.wiring.sessions.begin() as session:
        row = await session.get(AssetUpload, UUID(upload["upload_id"]))
    assert row is not None
    return row


async def as_if_claimed_by_a_process_that_died(
    control_plane: ControlPlane, upload: dict[str, Any], digest: str
) -> None:
    """Complete an upload and claim it, and do nothing more."""
    row_id = UUID(upload["upload_id"])
    async with control_plane.wiring.sessions.begin() as session:
        assert await upload_repository.change(
            session, row_id, UploadState.RECEIVING, state=UploadState.VERIFYING, expected_sha256=digest
        )
        now = control_plane.clock()
        control_plane.clock.forward(seconds=60)
        assert await upload_repository.claim(session, UploadState.VERIFYING, now, control_plane.clock())
        control_plane.clock.forward(seconds=-60)


async def arrivals_once(control_plane: ControlPlane) -> None:
    """Let another control plane look for uploads until it has nothing to do."""
    other = Arrivals(control_plane.wiring)
    other.start()
    try:
        await everything_idle(other)
    finally:
        await other.stop()


async def everything_idle(arrivals: Arrivals) -> None:
    """Wait until no task works on an upload."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        await asyncio.sleep(0.05)
        if not any(task.get_name().startswith("arrival-") for task in asyncio.all_tasks()):
            return
    raise AssertionError("an upload is still worked on")
