"""The admin's pages of workflows: what they say, to whom, and what they let happen."""

from typing import Any

import httpx
import pytest
from tests.integration.web.test_operations import HOSTILE, LONG, post, signed_in_as, text_of
from tests.support.control_plane import ControlPlane
from tests.support.operator import OperatorAccess
from tests.support.workflow_library import GRAPH, IMAGE, import_soft, soft, with_input


@pytest.fixture
def operator(control_plane: ControlPlane) -> OperatorAccess:
    return OperatorAccess(control_plane)


async def send(client: httpx.AsyncClient, path: str, body: Any) -> str:
    """Send JSON for a part of a page; return the part."""
    answer = await client.post(f"/admin/workflows/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_workflows_are_listed_searched_and_paged(operator: OperatorAccess, signed_in: httpx.AsyncClient) -> None:
    await import_soft(operator, name="Soft focus")
    await operator.data("PUT", "/workflows/soft/fleets", {"fleets": ["local/gpu-default"]})
    await operator.data("PUT", "/workflows/soft/active", {"is_active": False})
    page = await text_of(signed_in, "/admin/workflows?q=focus")
    for part in ("Soft focus", "/admin/comfyui/fleets/local/gpu-default", "status-secondary", "1 workflow"):
        assert part in page
    assert "invert-video" not in page
    assert "invert-video" in await text_of(signed_in, "/admin/workflows")
    assert "No workflow has this" in await text_of(signed_in, "/admin/workflows?q=%25%00nothing")
    for number in range(50):
        await import_soft(operator, f"more-{number}", name=f"more {number:02}")
    first = await text_of(signed_in, "/admin/workflows?q=more")
    assert "more 49" in first
    page = await text_of(signed_in, "/admin/workflows?offset=50")
    assert 'rel="prev"' in page
    assert "more 49" in page


async def test_a_workflow_is_shown_with_all_that_belongs_to_it(
    operator: OperatorAccess, signed_in: httpx.AsyncClient
) -> None:
    await import_soft(operator)
    await operator.data("PUT", "/workflows/soft", soft(properties=[IMAGE]))
    await operator.post("/effects", {"name": "Soft", "slug": "soft-effect", "workflow": "soft"})
    page = await text_of(signed_in, "/admin/workflows/soft")
    for part in (
        "<svg width=",
        "The same as a table",
        "version 2",
        "/admin/effects/soft-effect",
        "/admin/workflows/soft/diff?before=1&amp;after=2",
        'data-workflow="soft"',
        "primary input",
    ):
        assert part in page, part
    assert "data-bind-node" not in page
    assert "property radius" in await text_of(signed_in, "/admin/workflows/soft/diff?before=1&after=2")
    assert (await signed_in.get("/admin/workflows/none")).status_code == 404
    assert (await signed_in.get("/admin/workflows/soft/diff?before=1&after=9")).status_code == 404


async def test_forms_do_what_the_api_does(operator: OperatorAccess, signed_in: httpx.AsyncClient) -> None:
    await import_soft(operator)
    await operator.data("PUT", "/workflows/soft", soft(graph=with_input("3", "sigma", 9)))
    path = "/admin/workflows/soft"
    assert "were saved" in await post(signed_in, f"{path}/fleets", fleet="local/gpu-default")
    assert (await operator.get("/workflows/soft"))["fleets"] == ["local/gpu-default"]
    assert "were saved" in await post(signed_in, f"{path}/fleets")
    assert (await operator.get("/workflows/soft"))["fleets"] == []
    assert "Version 3 runs what version 1 ran." in await post(signed_in, f"{path}/restore", version=1)
    assert "No effect may run" in await post(signed_in, f"{path}/active", is_active="false")
    assert "was deleted" in await post(signed_in, f"{path}/delete")
    acts = [action for action, _ in await operator.acts("soft")]
    assert acts[-5:] == [
        "workflow.fleets",
        "workflow.fleets",
        "workflow.restore",
        "workflow.deactivate",
        "workflow.delete",
    ]


async def test_a_graph_is_drawn_with_values_to_choose(signed_in: httpx.AsyncClient) -> None:
    part = await send(signed_in, "drawing", GRAPH)
    assert part.count('class="graph-node') == 4
    assert 'data-bind-node="3" data-bind-input="sigma"' in part
    assert 'data-bind-input="images"' not in part
    refused = await signed_in.post("/admin/workflows/drawing", json={"nodes": [], "links": []})
    assert refused.status_code == 422
    many = {str(number): {"class_type": "X", "inputs": {}} for number in range(2001)}
    assert "2,001 nodes: too many to draw" in await send(signed_in, "drawing", many)


async def test_what_is_missing_is_told_with_where_to_upload_it(signed_in: httpx.AsyncClient) -> None:
    graph = GRAPH | {"5": {"class_type": "LoraLoaderModelOnly", "inputs": {"lora_name": f"a&b {HOSTILE}.pt"}}}
    for fleet, words in ((None, "not in the library"), ("local/gpu-default", "not in the active bundle of local/gpu")):
        part = await send(signed_in, "needs", {"document": graph, "fleet": fleet})
        assert words in part
        assert "/admin/comfyui/assets?expect=a%26b%20%3Cscript" in part
        assert HOSTILE not in part
        assert "Workflows" not in part
    assert "No model and no custom node is needed." in await send(signed_in, "needs", {"document": GRAPH})


async def test_hostile_and_long_texts_stay_texts(operator: OperatorAccess, signed_in: httpx.AsyncClient) -> None:
    graph = with_input("2", "text", f"</script>{HOSTILE}" + LONG) | {
        f"x{HOSTILE}": {"class_type": HOSTILE, "inputs": {HOSTILE: HOSTILE}, "_meta": {"title": HOSTILE + LONG}}
    }
    properties = [{**IMAGE, "label": HOSTILE, "help": HOSTILE}]
    await import_soft(operator, name=LONG, description=HOSTILE, graph=graph, properties=properties)
    await operator.data("PUT", "/workflows/soft", soft(name=HOSTILE, graph=graph))
    for path in ("", "/soft", "/soft/edit", "/soft/diff?before=1&after=2", f"?q={HOSTILE}"):
        page = await text_of(signed_in, f"/admin/workflows{path}")
        assert HOSTILE not in page, path
    assert HOSTILE not in await send(signed_in, "drawing", graph)


async def test_numbers_reach_the_form_as_they_were_written(
    operator: OperatorAccess, signed_in: httpx.AsyncClient
) -> None:
    graph = with_input("3", "sigma", 2.0)
    graph["3"]["inputs"]["seed"] = 2**64 - 1
    await import_soft(operator, graph=graph)
    page = await text_of(signed_in, "/admin/workflows/soft/edit")
    assert '"sigma": 2.0' in page
    assert '"seed": 18446744073709551615' in page


@pytest.mark.parametrize("role", ["viewer", "user"])
async def test_who_may_not_operate_sees_no_acts_and_does_none(
    operator: OperatorAccess, control_plane: ControlPlane, role: str
) -> None:
    await import_soft(operator)
    person = await signed_in_as(control_plane, role)
    async with person:
        answer = await person.get("/admin/workflows/soft")
        assert answer.status_code == (200 if role == "viewer" else 403)
        for act in ("Edit", "Deactivate", "Restore", "Run it, at no cost", "Save the fleets"):
            assert act not in answer.text
        for path in ("/new", "/soft/edit"):
            assert (await person.get(f"/admin/workflows{path}")).status_code == 403
        for verb in ("fleets", "restore", "active", "delete"):
            fields = {"version": "1", "is_active": "false"}
            assert (await person.post(f"/admin/workflows/soft/{verb}", data=fields)).status_code == 403
    assert (await operator.get("/workflows/soft"))["is_active"]


async def test_strangers_are_led_to_sign_in(browser: httpx.AsyncClient) -> None:
    for path in ("", "/new", "/invert-video", "/invert-video/edit"):
        answer = await browser.get(f"/admin/workflows{path}")
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/sign-in")
