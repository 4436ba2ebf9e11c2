"""Who holds an upload writes it, and whoever lost the hold writes nothing any more."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from tests.support.asset_library import AssetLibrary, digest_of
from tests.support.control_plane import ControlPlane

from comfyfleet.cloud.aws.parts import S3PartStore
from comfyfleet.cloud.aws.s3 import S3ObjectStore, make_s3_client
from comfyfleet.protocol.library import UploadState
from comfyfleet.server.assets import upload_repository
from comfyfleet.server.assets.arrival import verify
from comfyfleet.server.assets.holding import LEASE, Hold, HoldLost
from comfyfleet.server.models import AssetUpload


@pytest.fixture
async def sent(control_plane: ControlPlane) -> dict[str, Any]:
    """Return an upload of all parts, that nobody has claimed and that waits for its verification."""
    library = AssetLibrary(control_plane)
    upload = await library.begin(b"bytes", kind="vae")
    await library.send(upload, b"bytes")
    async with control_plane.wiring.sessions.begin() as session:
        assert await upload_repository.change(
            session,
            UUID(upload["upload_id"]),
            UploadState.RECEIVING,
            state=UploadState.VERIFYING,
            expected_sha256=digest_of(b"bytes"),
        )
    return upload


async def claim(control_plane: ControlPlane) -> Hold | None:
    """Claim what is due now, as a control plane does it."""
    now = control_plane.clock()
    async with control_plane.wiring.sessions.begin() as session:
        upload = await upload_repository.claim(session, UploadState.VERIFYING, now, now + LEASE)
    return Hold(control_plane.wiring, upload) if upload is not None else None


@pytest.mark.usefixtures("sent")
async def test_an_upload_is_claimed_once_until_the_lease_ends(control_plane: ControlPlane) -> None:
    found = await asyncio.gather(*(claim(control_plane) for _ in range(10)))
    assert len([hold for hold in found if hold is not None]) == 1
    control_plane.clock.forward(seconds=59)
    assert await claim(control_plane) is None
    control_plane.clock.forward(seconds=2)
    assert await claim(control_plane) is not None


async def test_who_asks_again_while_bytes_are_verified_sends_none(
    control_plane: ControlPlane, sent: dict[str, Any]
) -> None:
    library = AssetLibrary(control_plane)
    assert (await library.begin(b"other"))["may_be_known"] is False
    asked = await library.begin(b"bytes")
    assert (asked["state"], asked["may_be_known"]) == ("receiving", True)
    again = await library.begin(b"bytes", sha256=digest_of(b"bytes"))
    assert (again["upload_id"], again["state"]) == (sent["upload_id"], "verifying")
    other = await library.begin(b"bytes", "b.safetensors", sha256=digest_of(b"bytes"))
    assert other["upload_id"] != sent["upload_id"], "that upload would not bring the other name"


@pytest.mark.usefixtures("sent")
async def test_every_write_renews_the_hold(control_plane: ControlPlane) -> None:
    hold = await claim(control_plane)
    assert hold is not None
    for _ in range(3):
        control_plane.clock.forward(seconds=50)
        await hold.change(verified_bytes=1)
        assert await claim(control_plane) is None


async def test_who_lost_the_hold_writes_nothing_and_cannot_refuse(
    control_plane: ControlPlane, sent: dict[str, Any]
) -> None:
    slow = await claim(control_plane)
    assert slow is not None
    control_plane.clock.forward(seconds=61)
    quick = await claim(control_plane)
    assert quick is not None
    with pytest.raises(HoldLost):
        await slow.change(verified_bytes=1)
    with pytest.raises(HoldLost):
        slow.verified(2)
    with pytest.raises(HoldLost):
        await verify(control_plane.wiring, slow)
    await verify(control_plane.wiring, quick)
    library = AssetLibrary(control_plane)
    assert (await library.show(sent))["state"] == "stored"
    assert [entry["action"] for entry in await library.audit()] == ["asset.add"]
    assert len(library.keys()) == 1


@pytest.mark.usefixtures("sent")
async def test_one_that_is_stopped_gives_the_upload_back_at_once(control_plane: ControlPlane) -> None:
    hold = await claim(control_plane)
    assert hold is not None
    is_working = asyncio.Event()

    async def work() -> None:
        async with hold.kept():
            is_working.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await is_working.wait()
    assert await claim(control_plane) is None
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await claim(control_plane) is not None


async def test_a_refusal_that_died_half_way_is_gone_on_with(control_plane: ControlPlane, sent: dict[str, Any]) -> None:
    dying = await claim(control_plane)
    assert dying is not None
    await dying.change(problem="The bytes are wrong.")
    control_plane.clock.forward(seconds=61)
    hold = await claim(control_plane)
    assert hold is not None
    await verify(control_plane.wiring, hold)
    library = AssetLibrary(control_plane)
    view = await library.show(sent)
    assert (view["state"], view["problem"], library.keys()) == ("refused", "The bytes are wrong.", [])


async def test_bytes_that_are_lost_are_told(control_plane: ControlPlane, sent: dict[str, Any]) -> None:
    library = AssetLibrary(control_plane)
    async with control_plane.wiring.sessions.begin() as session:
        row = await session.get(AssetUpload, UUID(sent["upload_id"]))
    assert row is not None
    folder = control_plane.wiring.settings.objects_folder / "comfyui_models" / "parts" / row.store_upload_id
    (folder / "data").unlink()
    hold = await claim(control_plane)
    assert hold is not None
    await verify(control_plane.wiring, hold)
    view = await library.show(sent)
    assert view["state"] == "refused"
    assert "not in the store any more" in view["problem"]


async def test_a_store_that_is_away_puts_the_verification_off(
    control_plane: ControlPlane, sent: dict[str, Any]
) -> None:
    client = make_s3_client(endpoint_url="http://127.0.0.1:9", access_key_id="any", secret_access_key="any")
    away = S3ObjectStore("away", client)
    without_store = replace(
        control_plane.wiring, models=away, model_parts=S3PartStore(away), model_index=S3PartStore(away)
    )
    hold = await claim(control_plane)
    assert hold is not None
    await verify(without_store, hold)
    client.close()
    library = AssetLibrary(control_plane)
    assert (await library.show(sent))["state"] == "verifying"
    assert await claim(control_plane) is None
    control_plane.clock.forward(seconds=16)
    hold = await claim(control_plane)
    assert hold is not None
    await verify(control_plane.wiring, hold)
    assert (await library.show(sent))["state"] == "stored"
