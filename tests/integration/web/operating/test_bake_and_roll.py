"""Bakes and rolls from the fleet's page; the control plane itself sees whether the first machine renders."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.web.operating.conftest import PATH, Clicks
from tests.support.clouds.commands import say
from tests.support.clouds.fleet import BUCKET, FLEET, STAGE, MemoryCloud
from tests.support.control_plane import ControlPlane, running_control_plane
from tests.support.operator import OperatorAccess
from tests.support.simple_worker import SimpleWorker, lease_of
from tests.support.workflow_library import import_soft
from tests.unit.ops.test_bake import BUNDLE, FETCH, INSTALLER

from comfyfleet import names
from comfyfleet.cloud.fleet_ports import ParameterKind


@pytest.fixture
def package(tmp_path: Path, memory: MemoryCloud) -> Path:
    """Return what machines are provisioned with; a bundle is in the bucket."""
    folder = tmp_path / "package"
    (folder / "machine").mkdir(parents=True)
    (folder / "machine" / "install.sh").write_text(INSTALLER)
    (folder / "comfyfleet-0.1.0-py3-none-any.whl").write_bytes(b"a wheel")
    (folder / "worker.txt").touch()
    manifest = json.dumps({"assets": [{"size": 6_000_000_000}]}).encode()
    memory.bucket(BUCKET).write(names.manifest_key(BUNDLE), manifest, content_type="application/json")
    memory.commands.environment["PACKAGE"] = str(tmp_path / "cloud" / "buckets" / BUCKET / "data" / "machine")
    memory.commands.programs = {
        "curl": FETCH,
        **dict.fromkeys(("sleep", "systemctl", "cloud-init"), say()),
        "journalctl": say("ComfyUI fell over"),
        "comfyfleet": say("bundle: 2 files, all as they should be"),
        "python3": say('{"comfyui_version": "0.33.0", "file": "bake-probe_00001_.png"}'),
    }
    return folder


@pytest.fixture
async def control_plane(
    database_url: str, tmp_path: Path, memory: MemoryCloud, package: Path
) -> AsyncIterator[ControlPlane]:
    """Run a control plane of the fleet's stage, with a workflow that the fleet serves."""
    settings = {"stage": STAGE, "machine_package": package, "revision": "abc123"}
    async with running_control_plane(database_url, tmp_path, lambda _: memory.cloud, **settings) as running:
        yield running


@pytest.fixture
async def soft(control_plane: ControlPlane) -> None:
    """Let the fleet serve a workflow."""
    await import_soft(OperatorAccess(control_plane))


async def picture(control_plane: ControlPlane) -> str:
    """Upload a picture of the operator's; return a test's values with it."""
    body = {"filename": "a.png", "content_type": "image/png", "size": 8}
    ticket = await OperatorAccess(control_plane).post("/uploads", body)
    async with control_plane.client() as client:
        await client.put(ticket["put_url"], content=b"an image", headers=ticket["headers"])
    return json.dumps({"image": ticket["upload_id"]})


async def test_a_bake_is_planned_followed_and_leads_to_a_roll(clicks: Clicks, memory: MemoryCloud) -> None:
    text, _ = await clicks.plan("bake")
    assert "Fill in what is wanted" in text
    text, form = await clicks.plan("bake", bundle=BUNDLE, keep=2)
    assert "apply the bundle (6.0 GB)" in text
    assert f"comfyfleet fleets bake {FLEET} --stage {STAGE} --bundle {BUNDLE} --keep 2" in text
    page = await clicks.ended(await clicks.agree("bake", form))
    assert f"New machines are of {memory.image_in_parameter()}, with ComfyUI 0.33.0." in page
    assert "installed comfyfleet-0.1.0-py3-none-any.whl" in page
    assert f'href="{PATH}/verbs/roll"' in page
    [image] = memory.images.tagged({names.REVISION_TAG: "abc123"})
    assert image.image_id == memory.image_in_parameter()


async def test_a_bake_whose_comfyui_does_not_start_says_so_and_leaves_nothing(
    clicks: Clicks, memory: MemoryCloud
) -> None:
    memory.commands.environment["COMFYUI_CODE"] = "7"
    page = await clicks.does("bake", bundle=BUNDLE)
    assert "></span>failed" in page
    assert "ComfyUI fell over" in page
    assert memory.image_in_parameter() == memory.image_id
    assert memory.alive(names.BAKE_ROLE) == []


async def test_a_parameter_that_holds_no_image_is_not_shown(clicks: Clicks, memory: MemoryCloud) -> None:
    memory.parameters.put("/bp/staging/fleet-secret", "the-secret-of-the-fleet")
    text, form = await clicks.plan("bake", status=404, bundle=BUNDLE, base="/bp/staging/fleet-secret")
    assert "The parameter /bp/staging/fleet-secret holds no machine image." in text
    assert ("the-secret-of" in text, "digest" in form) == (False, False)


async def test_a_roll_needs_a_test_or_a_tick(clicks: Clicks, memory: MemoryCloud, soft: None) -> None:
    memory.groups.join(memory.base_id)
    text, form = await clicks.plan("roll")
    assert ("Choose one, or tick that none is wanted." in text, "digest" in form) == (True, False)
    text, _ = await clicks.plan("roll", workflow="soft")
    assert 'id="test-values"' in text
    page = await clicks.does("roll", skips_test="true")
    assert f"is of {memory.image_id}." in page


async def test_a_test_that_cannot_be_run_is_refused_before_any_machine_goes(
    clicks: Clicks, memory: MemoryCloud, soft: None
) -> None:
    memory.groups.join(memory.base_id)
    _, form = await clicks.plan("roll", workflow="soft")
    assert "is required" in await clicks.agree("roll", form, status=422)
    assert "upload" in await clicks.agree("roll", {**form, "values": '{"image": "no-such-upload"}'}, status=404)
    assert memory.rolls.started == []


async def test_an_empty_group_has_nothing_to_roll(clicks: Clicks) -> None:
    text, form = await clicks.plan("roll")
    assert ("has no machine, so there is nothing to replace" in text, "digest" in form) == (True, False)


@pytest.mark.parametrize("renders", [True, False])
async def test_the_first_machine_of_a_roll_has_to_render(
    clicks: Clicks, memory: MemoryCloud, control_plane: ControlPlane, soft: None, *, renders: bool
) -> None:
    memory.groups.join(memory.base_id)
    _, form = await clicks.plan("roll", workflow="soft", canary_seconds=100_000)
    page = await clicks.agree("roll", {**form, "values": await picture(control_plane)})
    await clicks.until(page, lambda text: "Waiting for the worker of i-" in text)
    [canary] = memory.groups.members
    async with SimpleWorker.registered(control_plane.url, canary, fleet_slug=FLEET, stage=STAGE) as worker:
        async with asyncio.timeout(60):
            while (job := await worker.poll(wait_seconds=1)) is None:
                pass
        if renders:
            await worker.complete(job, await worker.put_output(job))
        else:
            await worker.call("fail", **lease_of(job), error_message="No GPU.", retryable=False)
        text = await clicks.ended(page)
    if renders:
        assert f"{canary} has rendered job {job['job_id']}" in text
        assert "></span>succeeded" in text
    else:
        assert f"is of {memory.base_id} again: {canary} did not render test job {job['job_id']}: No GPU." in text
        assert memory.image_in_parameter() == memory.base_id
        assert memory.parameters.kinds[names.image_parameter(STAGE, FLEET)] is ParameterKind.IMAGE


async def test_a_roll_that_is_canceled_before_its_proof_is_taken_back(
    clicks: Clicks, memory: MemoryCloud, control_plane: ControlPlane, soft: None
) -> None:
    memory.groups.join(memory.base_id)
    _, form = await clicks.plan("roll", workflow="soft", canary_seconds=172_800)
    page = await clicks.agree("roll", {**form, "values": await picture(control_plane)})
    await clicks.until(page, lambda text: "Waiting for the worker of i-" in text)
    assert await clicks.agree("roll", form) == page  # a second click, though a roll runs
    await clicks.browser.post(f"{page}/cancel")
    text = await clicks.ended(page)
    assert "It was canceled by admin@" in text
    assert "Taking the roll back" in text
    assert set(memory.groups.members.values()) == {memory.base_id}
