"""A control plane that ends in the middle of a verb."""

from pathlib import Path

import httpx
from tests.integration.web.operating.conftest import Clicks
from tests.support.clouds.fleet import FLEET, STAGE, MemoryCloud
from tests.support.control_plane import ControlPlane, running_control_plane

from comfyfleet import names


async def begun(clicks: Clicks, memory: MemoryCloud) -> str:
    """Begin a launch that waits until it is told to end; return its page."""
    memory.commands.programs["curl"] = "while true; do /bin/sleep 0.05; done"
    _, form = await clicks.plan("launch")
    page = await clicks.agree("launch", form)
    await clicks.until(page, lambda text: "Waiting for ComfyUI" in text)
    return page


async def test_a_control_plane_that_is_told_to_end_lets_its_verbs_clear_up(
    database_url: str, tmp_path: Path, memory: MemoryCloud
) -> None:
    async with running_control_plane(database_url, tmp_path, lambda _: memory.cloud) as first:
        async with first.client() as operator:
            await operator.post("/api/fleets", json={"stage": STAGE, "slug": FLEET, "name": "Fleet"})
        headers = {"Authorization": f"Bearer {first.admin_key}"}
        async with httpx.AsyncClient(base_url=first.url, headers=headers, timeout=60) as browser:
            page = await begun(Clicks(browser), memory)
    assert memory.alive(names.DEV_NODE_ROLE) == []
    async with running_control_plane(database_url, tmp_path) as second, second.client() as operator:
        text = (await operator.get(page)).text
    assert "></span>canceled" in text
    assert "It was canceled, and has cleared up." in text


async def test_without_a_cloud_pages_offer_no_verbs_and_say_why(
    database_url: str, tmp_path: Path, memory: MemoryCloud
) -> None:
    async with running_control_plane(database_url, tmp_path) as plain, plain.client() as operator:
        fleet = "/admin/comfyui/fleets/local/gpu-default"
        assert "verbs/launch" not in (await operator.get(fleet)).text
        answer = await operator.get(f"{fleet}/verbs/launch")
    assert answer.status_code == 503
    assert "Set CLOUD=aws and PAGES_OPERATE=true" in answer.text


async def test_a_cloud_that_is_away_is_said_where_the_plan_would_be(
    control_plane: ControlPlane, clicks: Clicks, memory: MemoryCloud
) -> None:
    memory.parameters.delete(names.image_parameter(STAGE, FLEET))
    text, form = await clicks.plan("launch", status=404)
    assert "There is no parameter /bp/ami/fleets/staging/gpu-default." in text
    assert "digest" not in form
