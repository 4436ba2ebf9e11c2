"""Verbs on the fleet's page: the plan before, the log while they run, and the end in words."""

import asyncio

import pytest
from tests.integration.web.operating.conftest import PATH, Clicks
from tests.integration.web.test_operations import signed_in_as
from tests.support.clouds.commands import say
from tests.support.clouds.fleet import MemoryCloud
from tests.support.control_plane import ControlPlane

from comfyfleet import names


async def test_a_dev_node_is_planned_launched_shown_and_ended(clicks: Clicks, memory: MemoryCloud) -> None:
    text, form = await clicks.plan("launch")
    assert f"Launch one of g5.xlarge, g6.xlarge, g4dn.xlarge from {memory.image_id}" in text
    assert "Nothing was done yet." in text
    assert memory.machines.launched == []
    page = await clicks.ended(await clicks.agree("launch", form))
    assert "is up. Open it: comfyfleet devnode open" in page
    assert "Waiting for ComfyUI …" in page
    [node] = memory.alive(names.DEV_NODE_ROLE)
    shown = await clicks.until(PATH, lambda text: f"devnode open {node}" in text)
    assert f"verbs/stop?instance_id={node}" in shown
    assert "Launch a dev node of staging/gpu-default" in shown
    page = await clicks.does("stop", instance_id=node)
    assert f"{node} is terminated." in page
    assert memory.alive(names.DEV_NODE_ROLE) == []


async def test_a_second_click_is_the_first_ones(clicks: Clicks, memory: MemoryCloud) -> None:
    _, form = await clicks.plan("launch", hours=2)
    first, second = await asyncio.gather(clicks.agree("launch", form), clicks.agree("launch", form))
    assert first == second
    await clicks.ended(first)
    assert await clicks.agree("launch", form) == first
    assert len(memory.machines.launched) == 1


async def test_a_plan_that_has_changed_since_is_not_carried_out(clicks: Clicks, memory: MemoryCloud) -> None:
    _, form = await clicks.plan("launch")
    memory.parameters.put(names.image_parameter("staging", "gpu-default"), memory.base_id)
    answer = await clicks.agree("launch", form, status=409)
    assert "Something has changed since this plan was shown" in answer
    assert memory.machines.launched == []


async def test_a_range_of_addresses_needs_a_tick_of_its_own(clicks: Clicks, memory: MemoryCloud) -> None:
    text, form = await clicks.plan("launch", cidr="203.0.113.0/24")
    assert "Give one address, or tick that it is meant." in text
    assert "digest" not in form
    text, form = await clicks.plan("launch", cidr="203.0.113.0/24", accepts_range="true")
    assert "--yes-i-mean-it" in text
    assert "203.0.113.1:8188" in await clicks.ended(await clicks.agree("launch", form))


async def test_a_canceled_operation_clears_up(clicks: Clicks, memory: MemoryCloud) -> None:
    memory.commands.programs["curl"] = "while true; do /bin/sleep 0.05; done"
    _, form = await clicks.plan("launch")
    page = await clicks.agree("launch", form)
    await clicks.until(page, lambda text: "Waiting for ComfyUI" in text)
    await clicks.browser.post(f"{page}/cancel")
    text = await clicks.ended(page)
    assert "It was canceled by admin@" in text
    assert "Ending i-" in text
    assert memory.alive(names.DEV_NODE_ROLE) == []
    answer = await clicks.browser.post(f"{page}/cancel")
    assert (answer.status_code, "There is nothing to cancel." in answer.text) == (409, True)


async def test_a_verb_that_fails_says_why_and_what_machines_printed_is_kept(
    clicks: Clicks, memory: MemoryCloud
) -> None:
    memory.commands.programs |= {"curl": say(code=7), "journalctl": r"printf 'no <GPU>\000 here\n'"}
    _, form = await clicks.plan("launch")
    page = await clicks.agree("launch", form)
    text = await clicks.ended(page)
    assert "></span>failed" in text
    assert "no &lt;GPU&gt; here" in text
    whole = await clicks.text(f"{page}/log")
    assert "no <GPU> here" in whole
    assert "Launching the machine …" in whole


async def test_the_applier_runs_on_the_machine_and_only_once_at_a_time(
    clicks: Clicks, memory: MemoryCloud, control_plane: ControlPlane
) -> None:
    node = memory.up(role=names.DEV_NODE_ROLE)
    bundle = "6c2e1b2c-2a7d-4a0f-9d2d-4a0b1d2c3e4f"
    program = memory.commands.disk(node) / "opt/comfyui/bin/apply-bundle.sh"
    program.write_text(
        '#!/bin/bash\necho "applying $BUNDLE_PREFIX"\nuntil [ -e go ]; do /bin/sleep 0.05; done\nexit 3\n'
    )
    program.chmod(0o755)
    _, form = await clicks.plan("apply", instance_id=node, bundle=bundle)
    page = await clicks.agree("apply", form)
    await clicks.until(page, lambda text: f"applying bundles/{bundle}" in text)
    _, again = await clicks.plan("apply", instance_id=node, bundle=bundle)
    assert "runs already." in await clicks.agree("apply", again, status=409)
    (memory.commands.disk(node) / "go").touch()
    assert "The apply failed, with exit code 3" in await clicks.ended(page)


async def test_what_is_missing_in_a_form_is_asked_for_and_what_is_wrong_is_said(clicks: Clicks) -> None:
    text, form = await clicks.plan("stop")
    assert ("Fill in what is wanted" in text, "digest" in form) == (True, False)
    text, _ = await clicks.plan("stop", status=422, instance_id="i-<script>")
    assert "is no machine." in text
    assert "<script>" not in text.split("<main")[1]
    text, _ = await clicks.plan("launch", status=422, hours="1000")
    assert "Hours: Input should be less than or equal to 72." in text
    await clicks.text(f"{PATH}/verbs/explode", status=404)
    answer = await clicks.browser.post(f"{PATH}/verbs/launch", data={"token": "1"})
    assert (answer.status_code, "The form has no token." in answer.text) == (422, True)


@pytest.mark.parametrize("verb", ["launch", "bake", "roll", "apply", "stop"])
async def test_only_operators_may(control_plane: ControlPlane, memory: MemoryCloud, verb: str) -> None:
    async with await signed_in_as(control_plane, "viewer") as viewer:
        assert (await viewer.get(f"{PATH}/verbs/{verb}")).status_code == 403
        assert (await viewer.post(f"{PATH}/verbs/{verb}", data={})).status_code == 403
        assert "verbs/launch" not in (await viewer.get(PATH)).text
    async with await signed_in_as(control_plane, "user") as user:
        assert (await user.get("/admin/comfyui/operations")).status_code == 403
        assert (await user.get("/api/operations")).status_code == 403
    assert memory.machines.launched == []
