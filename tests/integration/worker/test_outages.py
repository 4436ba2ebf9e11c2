from tests.integration.worker.conftest import Crew, StandIn, plain_image, workflow
from tests.integration.worker.plane import Plane, until


async def test_a_control_plane_that_is_away_is_waited_for(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    async with crew.worker(comfyui.url):
        await plane.told("poll")
        plane.is_away = True
        plane.offer(plain_image("a"), "2")
        await until(lambda: comfyui.queue() == [], "a moment")
        plane.is_away = False
        await plane.told("complete")
    assert len(plane.of("register")) == 1


async def test_a_worker_may_start_before_the_control_plane(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    plane.is_away = True
    async with crew.worker(comfyui.url):
        await until(lambda: comfyui.endings() == [], "a moment")
        plane.is_away = False
        await plane.told("poll")


async def test_heartbeats_that_are_not_heard_do_not_end_a_job(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    plane.offer(workflow("vi_long_run"), "99")
    async with crew.worker(comfyui.url):
        await until(comfyui.is_rendering, "a render")
        plane.is_away = True
        heard = len(plane.of("heartbeat"))
        await until(lambda: not comfyui.queue(), "the end of the render")
        plane.is_away = False
        completed = await plane.told("complete")
    assert len(plane.of("heartbeat")) > heard
    assert completed["output"]["size"] == len(plane.outputs["out-1"].content)


async def test_a_token_that_has_ended_is_renewed(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    async with crew.worker(comfyui.url):
        await plane.told("poll")
        plane.tokens.append("a token that nobody has")
        await plane.told("register", 2)
        plane.offer(plain_image("a"), "2")
        await plane.told("complete")


async def test_a_server_that_does_not_hold_polls_is_not_flooded(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    async with crew.worker(comfyui.url, poll_wait_seconds=0, poll_interval_seconds=0.2):
        await plane.told("poll", 4)
        seconds_at_least = 3 * 0.2
        assert len(plane.of("poll")) <= 5
    assert seconds_at_least > 0.5
    assert plane.of("poll")[0]["wait_seconds"] == 0
