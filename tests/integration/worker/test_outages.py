import asyncio

from tests.integration.worker.conftest import Crew, StandIn, plain_image, short_run
from tests.integration.worker.plane import Plane, until


async def test_a_control_plane_that_is_away_is_waited_for(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    async with crew.worker(comfyui.url):
        await plane.told("poll")
        plane.is_away = True
        plane.offer(plain_image("a"), "2")
        await until(lambda: plane.turned_away >= 2, "polls in vain")
        assert not plane.of("heartbeat")
        plane.is_away = False
        await plane.told("complete")
    assert len(plane.of("register")) == 1


async def test_a_worker_may_start_before_the_control_plane(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    plane.is_away = True
    async with crew.worker(comfyui.url):
        await until(lambda: plane.turned_away >= 2, "registrations in vain")
        assert not plane.calls
        plane.is_away = False
        await plane.told("poll")


async def test_heartbeats_that_are_not_heard_do_not_end_a_job(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    plane.offer(short_run("a"), "4")
    async with crew.worker(comfyui.url):
        await until(comfyui.is_rendering, "a render")
        plane.is_away = True
        await until(lambda: comfyui.endings() == ["execution_success"], "the end of the render")
        assert plane.turned_away >= 1
        plane.is_away = False
        completed = await plane.told("complete")
    assert completed["output"]["size"] == len(plane.outputs["out-1"].content)


async def test_a_completion_that_is_not_heard_is_told_again(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    plane.offer(plain_image("a"), "2")
    plane.put_failures = 1  # so that there is a moment between render and completion
    async with crew.worker(comfyui.url):
        await until(lambda: plane.put_failures == 0, "the first upload")
        plane.is_away = True
        await until(lambda: bool(plane.outputs), "the second upload")
        turned_away = plane.turned_away
        await until(lambda: plane.turned_away >= turned_away + 3, "completions in vain")
        assert not plane.of("complete")
        plane.is_away = False
        await plane.told("complete")
    assert not plane.of("fail")


async def test_a_token_that_has_ended_is_renewed(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    async with crew.worker(comfyui.url, poll_wait_seconds=0.5):
        await plane.told("poll")
        plane.tokens.append("a token that nobody has")
        await plane.told("register", 2)
        plane.offer(plain_image("a"), "2")
        await plane.told("complete")


async def test_a_server_that_does_not_hold_polls_is_not_flooded(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    clock = asyncio.get_running_loop().time
    async with crew.worker(comfyui.url, poll_wait_seconds=0, poll_interval_seconds=0.2):
        await plane.told("poll")
        first_at = clock()
        await plane.told("poll", 4)
        assert clock() - first_at > 0.55
    assert plane.of("poll")[0]["wait_seconds"] == 0
