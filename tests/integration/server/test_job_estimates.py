"""A job tells how long it will still take, once others like it have been done."""

from tests.support.control_plane import ControlPlane, TenantAccess
from tests.support.simple_worker import SimpleWorker, lease_of


async def render_for(control_plane: ControlPlane, tenant: TenantAccess, worker: SimpleWorker, seconds: float) -> None:
    """Let a job take a while."""
    await tenant.submit()
    job = await worker.lease()
    size = await worker.put_output(job)
    control_plane.clock.forward(seconds=seconds)
    assert (await worker.complete(job, size)).status_code == 200


async def test_nothing_is_known_of_the_first_job(tenant: TenantAccess, worker: SimpleWorker) -> None:
    job = await tenant.submit()
    assert job["estimated_seconds"] is None
    await worker.lease()
    assert (await tenant.job(job["id"]))["estimated_seconds"] is None


async def test_a_job_takes_what_others_took_after_those_before_it(
    control_plane: ControlPlane, tenant: TenantAccess, worker: SimpleWorker
) -> None:
    for seconds in (20, 30, 40):
        await render_for(control_plane, tenant, worker, seconds)
    first, second, third = [await tenant.submit() for _ in range(3)]
    assert 30 <= first["estimated_seconds"] <= 32
    assert 90 <= third["estimated_seconds"] <= 92
    running = await worker.lease()
    control_plane.clock.forward(seconds=10)
    assert 19 <= (await tenant.job(first["id"]))["estimated_seconds"] <= 20
    await worker.call("heartbeat", **lease_of(running), progress={"value": 0.5})
    assert 14 <= (await tenant.job(first["id"]))["estimated_seconds"] <= 16
    assert 44 <= (await tenant.job(second["id"]))["estimated_seconds"] <= 46
    items = (await tenant.call("GET", "/api/jobs?limit=3")).json()["data"]["items"]
    assert [item["estimated_seconds"] is not None for item in items] == [True] * 3


async def test_without_an_active_worker_nobody_knows_when_a_job_begins(
    control_plane: ControlPlane, tenant: TenantAccess, worker: SimpleWorker
) -> None:
    await render_for(control_plane, tenant, worker, 20)
    await worker.call("deregister")
    assert (await tenant.submit())["estimated_seconds"] is None


async def test_a_job_that_ended_needs_no_more_time(
    control_plane: ControlPlane, tenant: TenantAccess, worker: SimpleWorker
) -> None:
    await render_for(control_plane, tenant, worker, 20)
    job = await tenant.submit()
    await worker.render()
    assert (await tenant.job(job["id"]))["estimated_seconds"] is None
