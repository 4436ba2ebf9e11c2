"""How fleets stood over time."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.support.control_plane import ControlPlane, TenantAccess
from tests.support.operator import OperatorAccess
from tests.support.simple_worker import SimpleWorker, lease_of

from comfyfleet import names
from comfyfleet.cloud.aws.errors import AwsUnavailable
from comfyfleet.cloud.fleet_ports import Group
from comfyfleet.server.maintenance import tell_once
from comfyfleet.server.metrics.sampling import take_samples
from comfyfleet.server.metrics.wanted import note_wanted
from comfyfleet.server.models import FleetSample

PATH = "/metrics/fleets/local/gpu-default"
KEEP = timedelta(days=14)


@pytest.fixture
def operator(control_plane: ControlPlane) -> OperatorAccess:
    return OperatorAccess(control_plane)


@pytest.fixture(autouse=True)
async def first_sample(control_plane: ControlPlane) -> None:
    """Take the sample that a control plane takes when it starts."""
    await control_plane.look_after()


async def samples(control_plane: ControlPlane) -> list[FleetSample]:
    """Return all samples; the first was taken when the control plane started."""
    async with control_plane.wiring.sessions.begin() as session:
        return list(await session.scalars(select(FleetSample).order_by(FleetSample.at)))


async def test_maintenance_writes_down_how_a_fleet_stands(
    control_plane: ControlPlane, tenant: TenantAccess, worker: SimpleWorker
) -> None:
    for _ in range(3):
        await tenant.submit()
    await worker.lease()
    control_plane.clock.forward(seconds=42)
    await control_plane.look_after()
    _, sample = await samples(control_plane)
    assert (sample.queued, sample.processing, sample.workers, sample.capacity) == (2, 1, 1, 1)
    assert sample.oldest_seconds >= 42
    assert sample.desired is None


@dataclass
class Groups:
    """The fleet's group in a cloud that may be away; see the port `Groups`."""

    wanted: int | None = 3
    is_away: bool = False
    asked: list[str] = field(default_factory=list)

    def find(self, name: str) -> Group | None:
        self.asked.append(name)
        if self.is_away:
            raise AwsUnavailable("AWS does not answer.")
        return None if self.wanted is None else Group(name, 0, 4, self.wanted, ())


@pytest.fixture
def groups(control_plane: ControlPlane) -> Groups:
    """Put the control plane into a cloud."""
    groups = Groups()
    control_plane.wiring.groups = groups  # type: ignore[assignment]  # one method of the port is asked for
    return groups


async def test_in_a_cloud_a_sample_says_how_many_machines_were_wanted(
    operator: OperatorAccess, control_plane: ControlPlane, groups: Groups
) -> None:
    await tell_once(control_plane.wiring)
    control_plane.clock.forward(seconds=11)
    groups.wanted = 1
    await control_plane.look_after()
    await tell_once(control_plane.wiring)
    assert [one.desired for one in await samples(control_plane)] == [3, 1]
    assert groups.asked == [names.group_name("local", "gpu-default")] * 2
    points = (await operator.get(PATH, range="1h", points=1))["points"]
    told = {point["desired"] for point in points} - {None}
    assert told in ({2.0}, {3.0, 1.0}), "an average, or one of each hour"
    await tell_once(control_plane.wiring)
    assert len(groups.asked) == 2, "what is known is not asked for"


async def test_a_fleet_without_a_group_and_a_cloud_that_is_away_leave_the_sample_as_it_is(
    control_plane: ControlPlane, groups: Groups
) -> None:
    groups.is_away = True
    await tell_once(control_plane.wiring)
    groups.is_away, groups.wanted = False, None
    await tell_once(control_plane.wiring)
    [sample] = await samples(control_plane)
    assert (sample.desired, sample.published_at is not None) == (None, True)


async def test_of_an_old_sample_nothing_is_asked(control_plane: ControlPlane, groups: Groups) -> None:
    control_plane.clock.forward(minutes=1)
    assert await note_wanted(control_plane.wiring) == 0
    assert groups.asked == []


async def test_a_fleet_is_sampled_every_ten_seconds_and_not_more_often(control_plane: ControlPlane) -> None:
    begin = control_plane.clock() + timedelta(minutes=1)
    taken = 0
    for look in range(13):
        async with control_plane.wiring.sessions.begin() as session:
            taken += await take_samples(session, begin + look * timedelta(seconds=2.5), keep=KEEP)
    assert taken == 4


async def test_of_several_control_planes_one_takes_the_sample(control_plane: ControlPlane) -> None:
    now = control_plane.clock() + timedelta(minutes=1)

    async def look(skew: float) -> int:
        async with control_plane.wiring.sessions.begin() as session:
            return await take_samples(session, now + timedelta(seconds=skew), keep=KEEP)

    taken = await asyncio.gather(*(look(skew) for skew in (0, 0.5, -3, 2)))
    assert sum(taken) == 1
    assert await look(4) == 0


async def test_old_samples_are_forgotten(control_plane: ControlPlane) -> None:
    control_plane.clock.forward(days=13)
    await control_plane.look_after()
    control_plane.clock.forward(days=2)
    await control_plane.look_after()
    assert len(await samples(control_plane)) == 2


async def test_a_series_tells_of_queue_workers_and_jobs_that_ended(
    operator: OperatorAccess, control_plane: ControlPlane, tenant: TenantAccess, worker: SimpleWorker
) -> None:
    control_plane.clock.forward(days=3)
    control_plane.clock.forward(minutes=20 - control_plane.clock().minute)  # a step begins with the hour
    jobs = []
    for seconds in (2, 4, 12):
        jobs.append((await tenant.submit())["id"])
        job = await worker.lease()
        control_plane.clock.forward(seconds=seconds)
        assert (await worker.complete(job, await worker.put_output(job))).is_success
    await tenant.submit()
    await worker.call("fail", **lease_of(await worker.lease()), error_message="x")
    await tenant.submit()
    await control_plane.look_after()
    series = await operator.get(PATH, range="1h", points=1)
    assert (series["stage"], series["fleet_slug"], series["step_seconds"]) == ("local", "gpu-default", 3600)
    [point] = series["points"]
    assert (point["queued"], point["workers"], point["capacity"]) == (1, 1, 1)
    assert (point["completed"], point["failed"]) == (3, 1)
    shortest, middle, longest = sorted([await seconds_of(tenant, job_id) for job_id in jobs])
    assert shortest < point["median_seconds"] == pytest.approx(middle, abs=0.01)
    assert point["p95_seconds"] == pytest.approx(middle + 0.9 * (longest - middle), abs=0.01)


async def seconds_of(tenant: TenantAccess, job_id: int) -> float:
    """Return what a job took."""
    job = await tenant.job(job_id)
    leased_at, finished_at = (datetime.fromisoformat(job[name]) for name in ("leased_at", "finished_at"))
    return (finished_at - leased_at).total_seconds()


@pytest.mark.parametrize(("range_", "step"), [("1h", 20), ("6h", 120), ("24h", 480), ("7d", 3360)])
async def test_a_range_has_at_most_180_points_and_gaps_where_nothing_was_measured(
    operator: OperatorAccess, control_plane: ControlPlane, range_: str, step: int
) -> None:
    control_plane.clock.forward(days=8)
    await control_plane.look_after()
    series = await operator.get(PATH, range=range_)
    points: list[dict[str, Any]] = series["points"]
    assert (len(points), series["step_seconds"]) == (180, step)
    assert [point["queued"] for point in points if point["queued"] is not None] == [0]
    assert points[0]["workers"] is None
    assert (points[0]["completed"], points[0]["median_seconds"]) == (0, None)
    assert [point["at"] for point in points] == sorted(point["at"] for point in points)


async def test_what_makes_no_sense_is_refused(operator: OperatorAccess, tenant: TenantAccess) -> None:
    assert await operator.refused("GET", PATH, range="2h") == (422, "request_invalid")
    assert await operator.refused("GET", PATH, points=181) == (422, "request_invalid")
    assert await operator.refused("GET", "/metrics/fleets/local/none") == (404, "fleet_not_found")
    assert (await tenant.call("GET", f"/api{PATH}")).status_code == 403
    assert (await tenant.call("GET", "/api/metrics/attention")).status_code == 403


async def test_fleets_are_listed_with_their_active_bundle(operator: OperatorAccess) -> None:
    [fleet] = await operator.get("/fleets")
    assert fleet["active_bundle"] is None


async def test_samples_of_a_fleet_go_with_it(control_plane: ControlPlane, operator: OperatorAccess) -> None:
    await operator.post("/fleets", {"stage": "local", "slug": "spare"})
    await control_plane.look_after()
    answer = await operator.call("DELETE", "/fleets/local/spare")
    assert answer.is_success, answer.text
    async with control_plane.wiring.sessions.begin() as session:
        assert await session.scalar(select(func.count()).select_from(FleetSample)) == 1
