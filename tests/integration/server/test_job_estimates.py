"""A job tells how long it will still take, once others like it have been done."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.control_plane import ControlPlane, TenantAccess
from tests.support.simple_worker import SimpleWorker, lease_of


@dataclass
class StoppedClock:
    """A clock that goes on only when it is told to."""

    at: datetime

    def __call__(self) -> datetime:
        return self.at

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def clock(control_plane: ControlPlane) -> StoppedClock:
    """Stop the control plane's clock."""
    stopped = StoppedClock(datetime.now(UTC))
    control_plane.wiring.clock = stopped
    return stopped


async def render_for(clock: StoppedClock, tenant: TenantAccess, worker: SimpleWorker, seconds: float) -> None:
    """Let a job take a while."""
    await tenant.submit()
    job = await worker.lease()
    size = await worker.put_output(job)
    clock.forward(seconds)
    assert (await worker.complete(job, size)).status_code == 200


async def test_nothing_is_known_of_the_first_job(tenant: TenantAccess, worker: SimpleWorker) -> None:
    job = await tenant.submit()
    assert job["estimated_seconds"] is None
    await worker.lease()
    assert (await tenant.job(job["id"]))["estimated_seconds"] is None


async def test_a_job_takes_what_others_took_after_those_before_it(
    clock: StoppedClock, tenant: TenantAccess, worker: SimpleWorker
) -> None:
    for seconds in (20, 30, 40):
        await render_for(clock, tenant, worker, seconds)
    first, second, third = [await tenant.submit() for _ in range(3)]
    assert first["estimated_seconds"] == 30
    assert third["estimated_seconds"] == 90
    running = await worker.lease()
    clock.forward(10)
    assert (await tenant.job(first["id"]))["estimated_seconds"] == 20
    await worker.call("heartbeat", **lease_of(running), progress={"value": 0.5})
    assert (await tenant.job(first["id"]))["estimated_seconds"] == 15
    assert (await tenant.job(second["id"]))["estimated_seconds"] == 45
    items = (await tenant.call("GET", "/api/jobs?limit=3")).json()["data"]["items"]
    assert [item["estimated_seconds"] is not None for item in items] == [True] * 3


async def test_without_an_active_worker_nobody_knows_when_a_job_begins(
    clock: StoppedClock, tenant: TenantAccess, worker: SimpleWorker
) -> None:
    await render_for(clock, tenant, worker, 20)
    await worker.call("deregister")
    assert (await tenant.submit())["estimated_seconds"] is None


async def test_a_job_that_ended_needs_no_more_time(
    clock: StoppedClock, tenant: TenantAccess, worker: SimpleWorker
) -> None:
    await render_for(clock, tenant, worker, 20)
    job = await tenant.submit()
    await worker.render()
    assert (await tenant.job(job["id"]))["estimated_seconds"] is None
