import signal
import time

import psutil
from tests.integration.worker.conftest import Crew, StandIn, invert_image, red_png, start_command, workflow
from tests.integration.worker.plane import FLEET_SECRET, SIGNATURE, Plane, until


async def test_sigterm_puts_the_job_back_and_leaves(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    plane.offer(workflow("vi_long_run"), "99")
    with crew.process(comfyui.url) as worker:
        await until(comfyui.is_rendering, "a render")
        started_at = time.monotonic()
        worker.terminate()
        assert await worker.ended(60) == 0
        assert time.monotonic() - started_at < 45  # the render takes minutes
    (requeued,) = plane.of("requeue")
    assert requeued["dispatch_id"] == 1
    assert requeued["reason"] == "The worker was told to stop."
    assert [call.verb for call in plane.calls][-1] == "deregister"
    assert not plane.of("fail")
    await until(lambda: comfyui.endings() == ["execution_interrupted"], "the interrupt")


async def test_an_idle_worker_leaves_at_once(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    with crew.process(comfyui.url) as worker:
        await plane.told("poll")
        worker.process.send_signal(signal.SIGINT)
        assert await worker.ended(60) == 0
    assert plane.of("deregister")


async def test_a_second_signal_leaves_at_once_and_takes_comfyui_along(crew: Crew, plane: Plane) -> None:
    url, command = start_command(crew.folder / "own")
    plane.offer(workflow("vi_long_run"), "99")
    with crew.process(url, comfyui_start_command=command) as worker:
        await until(lambda: bool(plane.of("heartbeat")) and "progress" in plane.of("heartbeat")[-1], "a render")
        (own,) = psutil.Process(worker.process.pid).children()
        own.suspend()  # so that it answers nothing, and a good order would take its time
        worker.terminate()
        await until(lambda: "SIGTERM" in worker.log, "the first signal")
        worker.terminate()
        assert await worker.ended(60) == 128 + signal.SIGTERM
        await until(lambda: not own.is_running() or own.status() == psutil.STATUS_ZOMBIE, "the end of ComfyUI")


async def test_comfyui_does_not_outlive_a_killed_worker(crew: Crew, plane: Plane) -> None:
    url, command = start_command(crew.folder / "own")
    with crew.process(url, comfyui_start_command=command) as worker:
        await plane.told("poll")
        (own,) = psutil.Process(worker.process.pid).children()
        worker.process.kill()
        await until(lambda: not own.is_running() or own.status() == psutil.STATUS_ZOMBIE, "the end of ComfyUI")


async def test_a_worker_that_is_not_let_in_says_what_to_check(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    with crew.process(comfyui.url, fleet_secret="another-secret-than-theirs") as worker:
        assert await worker.ended(60) == 1
        assert "fleet_secret_wrong" in worker.log
        assert "FLEET_SECRET" in worker.log
    assert not plane.calls


async def test_the_log_holds_no_secret(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    plane.put_failures = 1
    job = plane.offer(invert_image("a"), "3")
    plane.attach(job, "{{INPUT_IMAGE}}", "a.png", red_png())
    broken = plane.offer(invert_image("b"), "3")
    plane.attach(broken, "{{INPUT_IMAGE}}", "a.png", red_png(), size=1)
    with crew.process(comfyui.url) as worker:
        await plane.told("complete")
        await plane.told("fail")
        worker.terminate()
        await worker.ended(60)
        log = worker.log
    assert "Trying again" in log
    assert SIGNATURE not in log
    assert FLEET_SECRET not in log
    assert "that-nobody-may-log" not in log
