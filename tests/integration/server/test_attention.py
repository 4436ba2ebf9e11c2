"""What needs an operator's attention."""

from typing import Any

import httpx
import pytest
from tests.support.bundle_library import BundleLibrary
from tests.support.control_plane import ControlPlane, TenantAccess
from tests.support.operator import OperatorAccess
from tests.support.simple_worker import SimpleWorker, lease_of

from comfyfleet import names

FLEET = "local/gpu-default"


@pytest.fixture
def operator(control_plane: ControlPlane) -> OperatorAccess:
    return OperatorAccess(control_plane)


@pytest.fixture
def library(control_plane: ControlPlane) -> BundleLibrary:
    return BundleLibrary(control_plane)


async def matters(operator: OperatorAccess) -> list[tuple[str, str, str]]:
    findings: list[dict[str, Any]] = await operator.get("/metrics/attention")
    return [(finding["severity"], finding["matter"], finding["fleet"]) for finding in findings]


async def test_an_idle_fleet_needs_nothing(operator: OperatorAccess, worker: SimpleWorker) -> None:
    assert await matters(operator) == []


async def test_jobs_that_wait_are_told_and_how_it_goes_on(
    operator: OperatorAccess, control_plane: ControlPlane, tenant: TenantAccess
) -> None:
    await tenant.submit()
    assert await matters(operator) == []
    control_plane.clock.forward(seconds=30)
    assert await matters(operator) == [("critical", "no_worker", FLEET)]
    async with SimpleWorker.registered(control_plane.url):
        assert await matters(operator) == []
        control_plane.clock.forward(seconds=700)
        assert await matters(operator) == [("warning", "jobs_wait_long", FLEET)]


async def test_a_lost_worker_is_told_for_a_day(
    operator: OperatorAccess, control_plane: ControlPlane, worker: SimpleWorker
) -> None:
    control_plane.clock.forward(minutes=5)
    await control_plane.look_after()
    [finding] = await operator.get("/metrics/attention")
    assert (finding["matter"], worker.worker_id in finding["words"]) == ("workers_lost", True)
    control_plane.clock.forward(days=2)
    assert await matters(operator) == []


async def test_a_worker_that_is_not_let_in_is_told_until_it_is_or_asks_no_more(
    operator: OperatorAccess, control_plane: ControlPlane
) -> None:
    for worker_id in ("i-first", "i-second"):
        await refused(control_plane, worker_id)
    [finding] = await operator.get("/metrics/attention")
    assert (finding["matter"], finding["fleet"]) == ("worker_refused", FLEET)
    assert finding["words"] == "i-second asks to be let in and is refused. The fleet secret is wrong."
    assert "Compare the worker's FLEET_SECRET" in finding["advice"]
    async with SimpleWorker.registered(control_plane.url, "i-second"):
        assert await matters(operator) == []
    await refused(control_plane, "i-first")
    control_plane.clock.forward(minutes=6)
    assert "worker_refused" not in {matter for _, matter, _ in await matters(operator)}


async def test_who_asks_for_a_fleet_that_there_is_not_leaves_no_trace(
    operator: OperatorAccess, control_plane: ControlPlane
) -> None:
    await refused(control_plane, "i-first", fleet_slug="no-such-fleet")
    assert await matters(operator) == []


async def refused(control_plane: ControlPlane, worker_id: str, **fields: str) -> None:
    """Ask to be let in with a wrong secret."""
    body = {"worker_id": worker_id, "fleet_slug": "gpu-default", **fields}
    async with httpx.AsyncClient(base_url=control_plane.url, timeout=60) as http:
        answer = await http.post("/api/worker/register", json=body, headers={names.FLEET_SECRET_HEADER: "wrong"})
    assert answer.status_code == 401, answer.text


async def test_failed_jobs_are_told_for_an_hour(
    operator: OperatorAccess, control_plane: ControlPlane, tenant: TenantAccess, worker: SimpleWorker
) -> None:
    for _ in range(5):
        await tenant.submit()
        await worker.call("fail", **lease_of(await worker.lease()), error_message="x")
    assert await matters(operator) == [("critical", "jobs_fail", FLEET)]
    control_plane.clock.forward(hours=2)
    await worker.poll()
    assert await matters(operator) == []


async def test_a_quarantined_asset_is_told(operator: OperatorAccess, library: BundleLibrary) -> None:
    await library.asset("bad.pt", is_quarantined=True)
    assert await matters(operator) == [("notice", "assets_quarantined", "")]


async def test_a_fleet_without_the_models_that_it_needs_is_told(
    operator: OperatorAccess, library: BundleLibrary
) -> None:
    ink = await library.asset("ink.safetensors")
    await library.workflow("flow", "ink.safetensors")
    assert await matters(operator) == [("warning", "no_bundle", FLEET)]
    await library.create("paint", ink.id)
    await library.data("PUT", "/api/fleets/local/gpu-default/bundle", {"bundle": "paint"})
    assert await matters(operator) == []
    [fleet] = await operator.get("/fleets")
    assert fleet["active_bundle"] == "paint@1"
