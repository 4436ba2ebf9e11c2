from tests.integration.worker.conftest import Crew, StandIn, plain_image, red_png, start_command, workflow
from tests.integration.worker.plane import Plane, until

from comfyfleet.up.seed import sample_path


async def test_a_missing_checkpoint_is_told_with_node_input_and_file(
    crew: Crew, plane: Plane, comfyui: StandIn
) -> None:
    plane.offer(workflow("iv_missing_checkpoint"), "9")
    async with crew.worker(comfyui.url):
        failed = await plane.told("fail")
    assert failed["retryable"] is False
    assert (failed["node_id"], failed["node_type"]) == ("4", "CheckpointLoaderSimple")
    assert failed["input_name"] == "ckpt_name"
    assert failed["error_message"].startswith(
        "Node 4 (CheckpointLoaderSimple), input ckpt_name: 'sd_xl_base_1.0.safetensors' is not in the list of files"
    )


async def test_one_invalid_output_of_two_is_a_failure(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    plane.offer(workflow("iv_b_missing_checkpoint_and_lora_partial"), "12")
    async with crew.worker(comfyui.url):
        failed = await plane.told("fail")
        await until(lambda: comfyui.queue() == [], "an empty queue")
    assert (failed["error_code"], failed["retryable"]) == ("prompt_invalid", False)
    assert "nope.safetensors" in failed["error_message"]
    assert not plane.of("complete")
    assert not plane.outputs


async def test_an_unknown_node_is_named(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    plane.offer(workflow("iv_c_unknown_node"), "1")
    async with crew.worker(comfyui.url):
        failed = await plane.told("fail")
    assert (failed["node_id"], failed["node_type"], failed["retryable"]) == ("1", "NoSuchCustomNode", False)


async def test_a_node_that_raises_is_told_with_its_reason(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    graph = workflow("v_exec_error")
    graph["1"]["inputs"]["image"] = "{{INPUT_IMAGE}}"
    job = plane.offer(graph, "2")
    plane.attach(job, "{{INPUT_IMAGE}}", "broken.png", b"not a picture")
    async with crew.worker(comfyui.url):
        failed = await plane.told("fail")
    assert (failed["error_code"], failed["retryable"]) == ("execution_failed", False)
    assert failed["error_message"].startswith("Node 1 (LoadImage): cannot identify image file 'broken.png'")


async def test_a_job_that_is_no_workflow_fails_and_the_worker_goes_on(
    crew: Crew, plane: Plane, comfyui: StandIn
) -> None:
    plane.offer({"1": {"no": "node"}}, "1")
    plane.offer(plain_image("a"), "2")
    async with crew.worker(comfyui.url):
        failed = await plane.told("fail")
        await plane.told("complete")
    assert (failed["error_code"], failed["retryable"]) == ("graph_invalid", False)


async def test_a_cancel_interrupts_the_render(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    plane.offer(workflow("vi_long_run"), "99")
    async with crew.worker(comfyui.url):
        await until(comfyui.is_rendering, "a render")
        plane.is_canceled = True
        failed = await plane.told("fail")
        await until(lambda: comfyui.endings() == ["execution_interrupted"], "the interrupt")
    assert (failed["error_code"], failed["retryable"]) == ("canceled", False)
    assert not plane.of("complete")


async def test_a_lost_lease_abandons_the_job(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    plane.offer(workflow("vi_long_run"), "99")
    async with crew.worker(comfyui.url):
        await until(comfyui.is_rendering, "a render")
        plane.is_lost = True
        await until(lambda: comfyui.endings() == ["execution_interrupted"], "the interrupt")
        plane.is_lost = False
        plane.offer(plain_image("next"), "2")
        completed = await plane.told("complete")
    assert completed["dispatch_id"] == 2
    assert not plane.of("fail")
    assert not plane.of("requeue")
    assert list(plane.outputs) == ["out-2"]


async def test_a_foreign_interrupt_is_no_cancel(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    plane.offer(workflow("vi_long_run"), "99")
    async with crew.worker(comfyui.url) as tools:
        await until(comfyui.is_rendering, "a render")
        await tools.comfyui.withdraw(comfyui.queue()[0])
        failed = await plane.told("fail")
    assert (failed["error_code"], failed["retryable"]) == ("interrupted", True)


async def test_a_render_that_takes_too_long_is_ended(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    plane.offer(workflow("vi_long_run"), "99")
    async with crew.worker(comfyui.url, render_timeout_seconds=0.5):
        failed = await plane.told("fail")
        await until(lambda: comfyui.endings() == ["execution_interrupted"], "the interrupt")
    assert (failed["error_code"], failed["retryable"]) == ("render_timeout", True)


async def test_a_comfyui_that_dies_fails_the_job_for_now(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    plane.offer(workflow("vi_long_run"), "99")
    plane.offer(plain_image("a"), "2")
    async with crew.worker(comfyui.url):
        await until(comfyui.is_rendering, "a render")
        comfyui.process.kill()
        failed = await plane.told("fail")
        assert failed["retryable"] is True
        assert failed["error_code"] == "comfyui_unreachable"
        assert len(plane.waiting) == 1, "a worker without a ComfyUI takes no jobs"


async def test_a_comfyui_of_its_own_is_started_again(crew: Crew, plane: Plane) -> None:
    url, command = start_command(crew.folder / "own")
    plane.offer(workflow("vi_long_run"), "99")
    async with crew.worker(url, comfyui_start_command=command) as tools:
        assert tools.process is not None
        await until(lambda: bool(plane.of("heartbeat")) and "progress" in plane.of("heartbeat")[-1], "a render")
        first = tools.process.pid
        tools.process.kill()
        failed = await plane.told("fail")
        assert failed["retryable"] is True
        assert failed["error_code"] in {"prompt_lost", "comfyui_unreachable"}  # whichever is seen first
        job = plane.offer(plain_image("{{A}}"), "2")
        plane.attach(job, "{{A}}", "a.png", red_png())
        await plane.told("complete")
        assert tools.process.pid not in {None, first}
    assert (crew.folder / "work" / "comfyui.log").read_text()


async def test_a_comfyui_of_its_own_that_hangs_is_started_again(crew: Crew, plane: Plane) -> None:
    url, command = start_command(crew.folder / "own")
    plane.offer(workflow("vi_long_run"), "99")
    async with crew.worker(url, comfyui_start_command=command, render_timeout_seconds=0.5) as tools:
        assert tools.process is not None
        await until(lambda: bool(plane.of("heartbeat")), "a job")
        first = tools.process.pid
        assert (await plane.told("fail"))["error_code"] == "render_timeout"
        plane.offer(plain_image("a"), "2")
        await plane.told("complete")
        assert tools.process.pid not in {None, first}


async def test_an_input_that_lasts_too_long_fails_before_it_is_rendered(
    crew: Crew, plane: Plane, comfyui: StandIn
) -> None:
    job = plane.offer(plain_image("a"), "2")
    clip = sample_path().read_bytes()
    plane.attach(job, "{{INPUT_VIDEO}}", "clip.mp4", clip, type="video", max_seconds=2)
    async with crew.worker(comfyui.url):
        failed = await plane.told("fail")
    assert (failed["error_code"], failed["retryable"]) == ("input_too_long", False)
    assert "lasts 3.0 seconds, and this effect takes 2 at most" in failed["error_message"]
    assert comfyui.endings() == []
