"""What the cloud says of a fleet's machines: over HTTP, and on the fleet's page, which never waits for it."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import pytest
from tests.support.bundle_library import FLEET_PATH
from tests.support.control_plane import ControlPlane

from comfyfleet import names
from comfyfleet.cloud.aws.errors import AwsUnavailable
from comfyfleet.cloud.fleet_ports import Alarm, Group, Member

PAGE = "/admin/comfyui/fleets/local/gpu-default"
GROUP = names.group_name("local", "gpu-default")
IMAGE = names.image_parameter("local", "gpu-default")
MEMBER = Member("i-0123456789abcdef0", "InService", "Healthy", is_protected=True, instance_type="g5.xlarge")


@dataclass
class Groups:
    """The fleet's group in a cloud that may be away, or slow until it is let go; see the port `Groups`."""

    group: Group | None = None
    is_away: bool = False
    may_answer: threading.Event = field(default_factory=threading.Event)

    def find(self, name: str) -> Group | None:
        assert self.may_answer.wait(60)
        if self.is_away:
            raise AwsUnavailable("AWS does not answer.")
        return self.group if self.group and self.group.name == name else None


@dataclass
class Alarms:
    """The alarms of that cloud; see the port `Figures`."""

    all: list[Alarm]

    def alarms(self, asked: Sequence[str]) -> list[Alarm]:
        return [one for one in self.all if one.name in asked]


@pytest.fixture
def groups(control_plane: ControlPlane) -> Groups:
    """Put the control plane into a cloud with a group of one machine."""
    groups = Groups(Group(GROUP, 0, 4, 1, (MEMBER,)))
    groups.may_answer.set()
    control_plane.wiring.groups = groups  # type: ignore[assignment]  # one method of the port is asked for
    control_plane.wiring.parameters.put(IMAGE, "ami-0123456789abcdef0")
    alarm = Alarm(names.queue_has_jobs_alarm("local", "gpu-default"), "ALARM", "jobs wait", datetime.now(UTC))
    control_plane.wiring.figures = Alarms([alarm])  # type: ignore[assignment]  # no figures are told here
    return groups


async def page_with(client: httpx.AsyncClient, words: str) -> str:
    """Load the fleet's page until it says something."""
    async with asyncio.timeout(60):
        while True:
            text = " ".join((await client.get(PAGE)).text.split())
            if words in text:
                return text
            await asyncio.sleep(0.02)


async def test_the_clouds_word_is_given_over_http(control_plane: ControlPlane, groups: Groups) -> None:
    async with control_plane.client() as operator:
        view = (await operator.get(f"{FLEET_PATH}/machines")).json()["data"]
    assert (view["group"], view["minimum"], view["desired"], view["maximum"]) == (GROUP, 0, 1, 4)
    assert [(one["instance_id"], one["is_protected"]) for one in view["members"]] == [(MEMBER.instance_id, True)]
    assert (view["image"], view["problem"]) == ("ami-0123456789abcdef0", None)
    assert [(one["name"], one["state"]) for one in view["alarms"]] == [("local-gpu-default-queue-has-jobs", "ALARM")]


async def test_a_fleet_without_a_group_or_a_cloud_that_is_away_is_said_plainly(
    control_plane: ControlPlane, groups: Groups
) -> None:
    groups.group = None
    async with control_plane.client() as operator:
        view = (await operator.get(f"{FLEET_PATH}/machines")).json()["data"]
        assert (view["exists"], view["desired"], view["members"]) == (False, None, [])
        groups.is_away = True
        view = (await operator.get(f"{FLEET_PATH}/machines")).json()["data"]
        assert "AWS does not answer." in view["problem"]


async def test_without_a_cloud_the_page_tells_what_one_adds(control_plane: ControlPlane) -> None:
    async with control_plane.client() as operator:
        answer = await operator.get(f"{FLEET_PATH}/machines")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_cloud")
        assert "This fleet is in no cloud" in (await operator.get(PAGE)).text


async def test_the_page_shows_group_image_and_alarms(control_plane: ControlPlane, groups: Groups) -> None:
    async with control_plane.client() as operator:
        text = await page_with(operator, "is to have 1 machine, of 0 to 4.")
    assert "New machines are of the image <code>ami-0123456789abcdef0</code>" in text
    assert "InService, protected while it renders" in text
    assert "<code>local-gpu-default-queue-has-jobs</code> is on" in text


async def test_the_page_does_not_wait_for_a_slow_cloud_and_says_when_it_is_away(
    control_plane: ControlPlane, groups: Groups
) -> None:
    groups.may_answer.clear()
    async with control_plane.client() as operator:
        assert "AWS is being asked" in (await operator.get(PAGE)).text
        groups.is_away = True
        groups.may_answer.set()
        await page_with(operator, "What AWS has is not known: AWS does not answer.")
        groups.is_away = False
        control_plane.clock.forward(seconds=11)
        await page_with(operator, "is to have 1 machine")


async def test_only_people_of_ours_see_it(control_plane: ControlPlane, groups: Groups) -> None:
    tenant = await control_plane.new_tenant("acme")
    assert (await tenant.call("GET", f"{FLEET_PATH}/machines")).status_code == 403
