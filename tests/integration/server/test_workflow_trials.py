"""A workflow is tried on a fleet before an effect is made of it, at no cost and unseen by the public."""

from typing import Any

import httpx
import pytest
from sqlalchemy import select
from tests.support.control_plane import ControlPlane, TenantAccess
from tests.support.operator import OperatorAccess
from tests.support.simple_worker import SimpleWorker, lease_of
from tests.support.workflow_library import IMAGE, RADIUS, import_soft, soft

from comfyfleet.server.models import Effect

FLEET = "local/gpu-default"


@pytest.fixture
async def operator(control_plane: ControlPlane) -> OperatorAccess:
    operator = OperatorAccess(control_plane)
    await import_soft(operator)
    return operator


async def picture(operator: OperatorAccess) -> str:
    body = {"filename": "a.png", "content_type": "image/png", "size": 8}
    ticket = await operator.post("/uploads", body)
    async with httpx.AsyncClient(timeout=60) as plain:
        (await plain.put(ticket["put_url"], content=b"an image", headers=ticket["headers"])).raise_for_status()
    upload_id: str = ticket["upload_id"]
    return upload_id


async def run(operator: OperatorAccess, **values: Any) -> dict[str, Any]:
    values = {"image": await picture(operator), **values}
    data: dict[str, Any] = await operator.post("/workflows/soft/test-run", {"fleet": FLEET, "values": values})
    return data


async def test_a_trial_runs_on_the_fleet_though_it_does_not_serve_the_workflow(
    operator: OperatorAccess, worker: SimpleWorker
) -> None:
    before = (await operator.get("/me"))["balance"]
    job = await run(operator, radius=7)
    assert (job["status"], job["credits_cost"], job["effect"]) == ("queued", 0, "test-soft")
    assert job["effect_name"] == "Test of Soft"
    assert (await operator.get(f"/admin/jobs/{job['id']}"))["is_test"]
    leased = await worker.render()
    assert leased["input_payload"]["workflow"]["3"]["inputs"]["blur_radius"] == 7
    assert (await operator.get(f"/jobs/{job['id']}"))["status"] == "completed"
    assert (await operator.get("/me"))["balance"] == before
    assert (await operator.acts("soft"))[-1] == ("workflow.test", {"fleet": FLEET})


async def test_only_the_named_fleet_gets_it(operator: OperatorAccess, control_plane: ControlPlane) -> None:
    await operator.post("/fleets", {"stage": "staging", "slug": "gpu-b", "name": "B"})
    body = {"fleet": "staging/gpu-b", "values": {"image": await picture(operator)}}
    job = await operator.post("/workflows/soft/test-run", body)
    async with SimpleWorker.registered(control_plane.url) as other:
        assert await other.poll() is None
    async with SimpleWorker.registered(control_plane.url, "i-0b", fleet_slug="gpu-b", stage="staging") as chosen:
        assert (await chosen.lease())["job_id"] == job["id"]


async def test_an_inactive_workflow_can_be_tried(operator: OperatorAccess) -> None:
    await operator.data("PUT", "/workflows/soft/active", {"is_active": False})
    assert (await run(operator))["status"] == "queued"


async def test_no_list_shows_the_effect_and_nobody_can_run_or_change_it(
    operator: OperatorAccess, tenant: TenantAccess, control_plane: ControlPlane
) -> None:
    for _ in range(2):
        await run(operator)
    async with control_plane.wiring.sessions.begin() as session:
        (effect,) = list(await session.scalars(select(Effect).where(Effect.is_test)))
    assert (effect.slug, effect.is_active, effect.credits_cost) == ("test-soft", False, 0)
    assert "test-soft" not in [effect["slug"] for effect in await operator.get("/effects")]
    missing = (404, "effect_not_found")
    assert await operator.refused("GET", "/effects/test-soft") == missing
    changed = {"name": "Mine", "slug": "test-soft", "workflow": "soft", "is_active": True}
    assert await operator.refused("PUT", "/effects/test-soft", changed) == missing
    body = {"effect": "test-soft", "values": {"image": await tenant.upload(b"x", "a.png", "image/png")}}
    answer = await tenant.call("POST", "/api/jobs", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == missing


async def test_an_effect_that_has_the_slug_already_is_left_alone(operator: OperatorAccess) -> None:
    await operator.post("/effects", {"name": "Mine", "slug": "test-soft", "workflow": "soft"})
    assert (await run(operator))["effect"] != "test-soft"
    assert (await operator.get("/effects/test-soft"))["name"] == "Mine"


async def test_a_slug_of_full_length_has_trials_too(operator: OperatorAccess) -> None:
    slugs = ["s" * 64, "s" * 63 + "t"]
    jobs = []
    for slug in slugs:
        await operator.post("/workflows", soft(slug, properties=[RADIUS]))
        jobs.append(await operator.post(f"/workflows/{slug}/test-run", {"fleet": FLEET}))
    assert jobs[0]["effect"] != jobs[1]["effect"]
    assert all(len(job["effect"]) <= 64 for job in jobs)


async def test_wrong_values_and_places_are_refused(operator: OperatorAccess) -> None:
    path = "/workflows/soft/test-run"
    assert await operator.refused("POST", path, {"fleet": "local/none"}) == (404, "fleet_not_found")
    assert await operator.refused("POST", path, {"fleet": FLEET, "values": {"nope": 1}}) == (422, "values_invalid")
    assert await operator.refused("POST", path, {"fleet": FLEET}) == (422, "values_invalid")
    unknown = ("POST", "/workflows/none/test-run", {"fleet": FLEET})
    assert await operator.refused(*unknown) == (404, "workflow_not_found")


async def test_every_property_may_be_set_in_a_trial(operator: OperatorAccess, worker: SimpleWorker) -> None:
    fixed = [IMAGE, {**RADIUS, "user_configurable": False}]
    await operator.data("PUT", "/workflows/soft", soft(properties=fixed))
    await run(operator, radius=9)
    leased = await worker.lease()
    assert leased["input_payload"]["workflow"]["3"]["inputs"]["blur_radius"] == 9


async def test_a_trial_that_failed_is_done_again_on_its_fleet(operator: OperatorAccess, worker: SimpleWorker) -> None:
    job = await run(operator)
    leased = await worker.lease()
    await worker.call("fail", **lease_of(leased), error_message="no", retryable=False)
    again = await operator.post(f"/admin/jobs/{job['id']}/retry")
    assert (await worker.lease())["job_id"] == again["id"]


async def test_a_workflow_that_was_tried_is_kept_while_its_jobs_are(operator: OperatorAccess) -> None:
    await run(operator)
    answer = await operator.call("DELETE", "/workflows/soft")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "workflow_in_use")
    assert "test run" in answer.json()["message"]
    assert "inactive" in answer.json()["error"]["hint"]


async def test_a_trial_that_was_refused_leaves_the_workflow_deletable(operator: OperatorAccess) -> None:
    await operator.refused("POST", "/workflows/soft/test-run", {"fleet": FLEET})
    await operator.data("DELETE", "/workflows/soft")


@pytest.mark.parametrize("role", ["user", "viewer"])
async def test_only_operators_act_on_workflows(
    operator: OperatorAccess, control_plane: ControlPlane, role: str
) -> None:
    key = (await operator.post("/keys", {"name": role, "role": role}))["token"]
    other = OperatorAccess(control_plane, key)
    acts: list[tuple[str, str, Any]] = [
        ("POST", "/workflows", soft("other")),
        ("PUT", "/workflows/soft", soft()),
        ("DELETE", "/workflows/soft", None),
        ("PUT", "/workflows/soft/active", {"is_active": False}),
        ("PUT", "/workflows/soft/fleets", {"fleets": []}),
        ("POST", "/workflows/soft/restore", {"version": 1}),
        ("POST", "/workflows/soft/test-run", {"fleet": FLEET}),
    ]
    for method, path, body in acts:
        assert (await other.refused(method, path, body))[0] == 403, (method, path)
    for path in ("", "/soft", "/soft/versions", "/soft/versions/1", "/soft/diff?before=1&after=1"):
        answer = await other.call("GET", f"/workflows{path}")
        assert answer.status_code == (200 if role == "viewer" else 403), path
