"""Machines that go: what their metadata services say, and what becomes of their jobs."""

import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from lab.metadata import MetadataService
from tests.integration.worker.conftest import Crew, StandIn, plain_image, short_run, workflow
from tests.integration.worker.plane import Plane, until

from comfyfleet import names
from comfyfleet.cloud.fleet_ports import Group
from comfyfleet.core.errors import Unavailable

GROUP = "asg-staging-gpu-default"
SPOT, STATE = "meta-data/spot/instance-action", "meta-data/autoscaling/target-lifecycle-state"
REBALANCE = "meta-data/events/recommendations/rebalance"
FIRST, CHANGE = ["unprotect"], ["protect", "unprotect"]
"""What a group is told when a worker starts, and of each job."""


class AwsAway(Unavailable):
    """The cloud does not answer."""

    code = "aws_unavailable"


@dataclass
class Groups:
    """Writes down what it is told of the machine; `failures` calls fail first."""

    said: list[str] = field(default_factory=list)
    failures: int = 0
    is_free: threading.Event = field(default_factory=threading.Event)
    """Calls wait for it; it is set unless a test clears it."""

    def __post_init__(self) -> None:
        self.is_free.set()

    def protect(self, name: str, instance_id: str, *, is_protected: bool) -> None:
        self._note("protect" if is_protected else "unprotect", name, instance_id)

    def finish_hook(self, name: str, hook: str, instance_id: str) -> None:
        assert hook == names.TERMINATION_HOOK
        self._note("finish", name, instance_id)

    def extend_hook(self, name: str, hook: str, instance_id: str) -> None:
        assert hook == names.TERMINATION_HOOK
        self._note("extend", name, instance_id)

    def find(self, name: str) -> Group | None:
        raise AssertionError("no worker asks for it")

    def group_of(self, instance_id: str) -> str | None:
        raise AssertionError("no worker asks for it")

    def set_capacity(self, name: str, desired: int) -> None:
        raise AssertionError("no worker asks for it")

    def _note(self, what: str, name: str, instance_id: str) -> None:
        assert (name, instance_id) == (GROUP, "i-0test")
        self.is_free.wait(60)
        if self.failures > 0:
            self.failures -= 1
            raise AwsAway("AWS does not answer.")
        self.said.append(what)


@dataclass
class Machine:
    """A machine of a group, and a worker on it."""

    crew: Crew
    comfyui: StandIn
    pages: dict[str, str]
    endpoint: str
    groups: Groups = field(default_factory=Groups)

    @asynccontextmanager
    async def worker(self, **changes: Any) -> AsyncIterator[None]:
        told = {"asg_name": GROUP, "aws_ec2_metadata_service_endpoint": self.endpoint, "notice_interval_seconds": 0.1}
        async with self.crew.worker(self.comfyui.url, self.groups, **{**told, **changes}):
            yield

    def takes_away(self, seconds: float) -> None:
        """Let the cloud say when it takes this spot machine away."""
        at = datetime.now(UTC) + timedelta(seconds=seconds)
        self.pages[SPOT] = json.dumps({"action": "terminate", "time": f"{at:%Y-%m-%dT%H:%M:%SZ}"})


@pytest.fixture
def machine(crew: Crew, comfyui: StandIn) -> Iterator[Machine]:
    pages = {
        STATE: "InService",
        "meta-data/instance-life-cycle": "spot",
        "meta-data/instance-type": "g5.xlarge",
        "dynamic/instance-identity/rsa2048": "AWS's word for it",
    }
    service = MetadataService(lambda: dict(pages))
    yield Machine(crew, comfyui, pages, service.url)
    service.stop()


async def left(plane: Plane) -> str:
    """Wait until the worker has left; return the reason."""
    return str((await plane.told("deregister"))["reason"])


async def test_a_spot_notice_puts_a_job_back_that_cannot_end_in_time(plane: Plane, machine: Machine) -> None:
    plane.offer(workflow("vi_long_run"), "99")
    async with machine.worker():
        await until(machine.comfyui.is_rendering, "a render")
        machine.takes_away(seconds=15)
        requeued = await plane.told("requeue")
        assert (requeued["dispatch_id"], requeued["reason"]) == (1, "spot-interruption")
        assert await left(plane) == "spot-interruption"
        await until(lambda: "finish" in machine.groups.said, "the hook's answer")
        verbs = [call.verb for call in plane.calls]
        assert verbs.index("requeue") < verbs.index("deregister")
        assert not {"fail", "complete"} & set(verbs)


async def test_a_job_that_can_end_in_time_ends_and_no_other_begins(plane: Plane, machine: Machine) -> None:
    plane.offer(short_run("ends"), "4")
    async with machine.worker():
        await until(machine.comfyui.is_rendering, "a render")
        machine.takes_away(seconds=600)
        await until(lambda: "protect" in machine.groups.said, "the protection")
        plane.offer(plain_image("comes too late"), "2")
        assert await left(plane) == "spot-interruption"
    assert len(plane.of("complete")) == 1
    late = [body["dispatch_id"] for body in plane.of("requeue")]
    assert late == [2] or len(plane.waiting) == 1


async def test_a_machine_that_its_group_lets_go_ends_its_job_first(plane: Plane, machine: Machine) -> None:
    plane.offer(short_run("ends"), "4")
    async with machine.worker():
        await until(machine.comfyui.is_rendering, "a render")
        machine.pages[STATE] = "Terminated"
        assert await left(plane) == "scale-in"
        await until(lambda: "finish" in machine.groups.said, "the hook's answer")
    assert len(plane.of("complete")) == 1
    assert not plane.of("requeue")
    assert machine.groups.said[-1] == "finish"
    assert "extend" in machine.groups.said
    assert machine.groups.said.count("finish") == 1


async def test_an_idle_machine_that_is_let_go_leaves_at_once(plane: Plane, machine: Machine) -> None:
    async with machine.worker(poll_wait_seconds=1):
        await plane.told("poll")
        machine.pages[STATE] = "Terminated"
        assert await left(plane) == "scale-in"
        await until(lambda: "finish" in machine.groups.said, "the hook's answer")
        assert "protect" not in machine.groups.said
        count = len(plane.of("poll"))
        plane.offer(plain_image("comes too late"), "2")
        assert len(plane.of("poll")) == count
    [registered] = plane.of("register")
    assert (registered["capacity_type"], registered["instance_type"]) == ("spot", "g5.xlarge")
    assert registered["identity"] == "AWS's word for it"
    assert len(plane.waiting) == 1


async def test_a_machine_whose_comfyui_never_answers_is_let_go_at_once(plane: Plane, machine: Machine) -> None:
    async with machine.worker(comfyui_base_url="http://127.0.0.1:9"):
        await until(lambda: machine.groups.said == FIRST, "the start")
        machine.pages[STATE] = "Terminated"
        await until(lambda: machine.groups.said[-1] == "finish", "the hook's answer")
    assert not plane.of("register")
    assert not plane.of("deregister")


async def test_a_machine_that_may_be_taken_away_ends_its_job_and_takes_no_other(plane: Plane, machine: Machine) -> None:
    plane.offer(short_run("ends"), "4")
    async with machine.worker(poll_wait_seconds=0):
        await until(machine.comfyui.is_rendering, "a render")
        machine.pages[REBALANCE] = json.dumps({"noticeTime": "2026-01-01T00:00:00Z"})
        await plane.told("complete")
        await until(lambda: machine.groups.said == FIRST + CHANGE, "the end of the protection")
        plane.offer(plain_image("waits for another machine"), "2")
        count = len(plane.of("poll"))
        await until(lambda: len(plane.of("report")) > 0, "a sign of life")
        assert len(plane.of("poll")) <= count + 1
        assert not plane.of("deregister")
        machine.pages[STATE] = "Terminated"
        assert await left(plane) == "scale-in"


async def test_the_protection_changes_once_with_each_change(plane: Plane, machine: Machine) -> None:
    async with machine.worker():
        await until(lambda: machine.groups.said == FIRST, "the end of a protection that an earlier worker left")
        machine.groups.failures = 2
        for number in (1, 2):
            plane.offer(short_run(f"job {number}"), "4")
            await plane.told("complete", number)
            await until(lambda: machine.groups.said == FIRST + CHANGE * number, "the end of the protection")  # noqa: B023 - asked before the next round
    assert machine.groups.said == FIRST + CHANGE * 2


async def test_a_group_that_is_slow_to_answer_holds_up_no_notice(plane: Plane, machine: Machine) -> None:
    plane.offer(workflow("vi_long_run"), "99")
    machine.groups.is_free.clear()
    try:
        async with machine.worker():
            await until(machine.comfyui.is_rendering, "a render")
            machine.takes_away(seconds=15)
            assert (await plane.told("requeue"))["reason"] == "spot-interruption"
            machine.groups.is_free.set()
            assert await left(plane) == "spot-interruption"
    finally:
        machine.groups.is_free.set()


async def test_a_metadata_service_that_is_away_disturbs_no_job(plane: Plane, machine: Machine) -> None:
    machine.endpoint = "http://127.0.0.1:9"
    plane.offer(plain_image("goes on"), "2")
    async with machine.worker():
        await plane.told("complete")
    assert await left(plane) == "The worker was told to stop."


async def test_a_worker_outside_of_a_group_asks_nobody(plane: Plane, machine: Machine) -> None:
    machine.pages[STATE] = "Terminated"
    plane.offer(plain_image("goes on"), "2")
    async with machine.worker(asg_name=None):
        await plane.told("complete")
    assert machine.groups.said == []
