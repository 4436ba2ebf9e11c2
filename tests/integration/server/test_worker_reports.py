"""What workers tell of their machines, and from their logs."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support.control_plane import ControlPlane
from tests.support.operator import OperatorAccess
from tests.support.simple_worker import SimpleWorker

from comfyfleet.server.workers.reporting import KEPT_LINES

PATH = "/workers/i-0simple"
GPU = {"name": "cuda:0 NVIDIA A10G", "type": "cuda", "vram_total": 24 * 2**30, "vram_free": 2**30}


@pytest.fixture
def operator(control_plane: ControlPlane) -> OperatorAccess:
    return OperatorAccess(control_plane)


def line(text: str, **changes: Any) -> dict[str, Any]:
    return {"at": datetime.now(UTC).isoformat(), "level": "INFO", "text": text, **changes}


async def report(worker: SimpleWorker, **body: Any) -> None:
    answer = await worker.call("report", **body)
    assert answer.status_code == 200, answer.text


async def test_a_report_is_shown(operator: OperatorAccess, worker: SimpleWorker) -> None:
    before = await operator.get(PATH)
    assert (before["figures"], before["bundle_id"]) == (None, None)
    figures = {"comfyui_version": "0.33.0", "gpus": [GPU], "of the future": 1}
    await report(worker, figures=figures, bundle_id="6c2e1b2c-2a7d-4a0f-9d2d-4a0b1d2c3e4f", log=[line("leased")])
    shown = await operator.get(PATH)
    assert shown["figures"]["comfyui_version"] == "0.33.0"
    assert shown["figures"]["gpus"][0] == {**GPU, "torch_vram_total": None, "torch_vram_free": None}
    assert (shown["bundle_id"], shown["bundle"]) == ("6c2e1b2c-2a7d-4a0f-9d2d-4a0b1d2c3e4f", None)
    assert shown["figures_at"] is not None
    [told] = await operator.get(f"{PATH}/log")
    assert (told["level"], told["text"]) == ("INFO", "leased")


async def test_figures_stay_while_comfyui_does_not_answer(operator: OperatorAccess, worker: SimpleWorker) -> None:
    await report(worker, figures={"gpus": [GPU]}, bundle_id="any")
    await report(worker)
    shown = await operator.get(PATH)
    assert (shown["figures"]["gpus"][0]["name"], shown["bundle_id"]) == (GPU["name"], None)


async def test_the_log_goes_on_after_a_line(operator: OperatorAccess, worker: SimpleWorker) -> None:
    await report(worker, log=[line(f"{number}") for number in range(5)])
    lines = await operator.get(f"{PATH}/log", limit=3)
    assert [one["text"] for one in lines] == ["2", "3", "4"]
    await report(worker, log=[line("5"), line("6")])
    after = await operator.get(f"{PATH}/log", after=lines[-1]["id"])
    assert [one["text"] for one in after] == ["5", "6"]


async def test_only_the_last_lines_are_kept(
    operator: OperatorAccess, control_plane: ControlPlane, worker: SimpleWorker
) -> None:
    async with SimpleWorker.registered(control_plane.url, "i-0other") as other:
        await report(other, log=[line("of another")])
        for start in range(0, KEPT_LINES + 200, 200):
            await report(worker, log=[line(str(number)) for number in range(start, start + 200)])
    lines = await operator.get(f"{PATH}/log", limit=1000)
    assert [one["text"] for one in lines] == [str(number) for number in range(200, KEPT_LINES + 200)]
    assert len(await operator.get("/workers/i-0other/log")) == 1


async def test_what_opens_something_is_not_kept(operator: OperatorAccess, worker: SimpleWorker) -> None:
    await report(worker, log=[line("PUT https://u:p@store/out.mp4?X-Amz-Signature=abc with cfw_" + "a" * 43)])
    [told] = await operator.get(f"{PATH}/log")
    assert told["text"] == "PUT https://store/out.mp4 with …"


async def test_a_clock_that_is_far_off_is_not_believed(operator: OperatorAccess, worker: SimpleWorker) -> None:
    for at in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1970-01-01T00:00:00Z"):
        await report(worker, log=[line("when?", at=at)])
    years = {one["at"][:4] for one in await operator.get(f"{PATH}/log")}
    assert years == {str(datetime.now(UTC).year)}


@pytest.mark.parametrize(
    "body",
    [
        {"log": [line("x" * 2001)]},
        {"log": [line("x")] * 201},
        {"log": [line("x", at="2026-01-01T00:00:00")]},
        {"log": [line("x", level="L" * 17)]},
        {"bundle_id": "b" * 65},
        {"figures": {"gpus": [{}] * 65}},
        {"figures": {"gpus": [{"vram_total": 2**63}]}},
        {"figures": {"gpus": [{"vram_free": -1}]}},
        {"figures": {"comfyui_version": "v" * 65}},
    ],
)
async def test_everything_is_bounded(worker: SimpleWorker, body: dict[str, Any]) -> None:
    answer = await worker.call("report", **body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "request_invalid")


async def test_nul_is_left_out(operator: OperatorAccess, worker: SimpleWorker) -> None:
    figures = {"comfyui_version": "0\x00.33", "gpus": [{"name": "A\x0010"}]}
    await report(worker, figures=figures, bundle_id="a\x00b", log=[line("a\x00b", level="IN\x00FO")])
    shown = await operator.get(PATH)
    assert (shown["bundle_id"], shown["figures"]["comfyui_version"]) == ("ab", "0.33")
    [told] = await operator.get(f"{PATH}/log")
    assert (told["level"], told["text"]) == ("INFO", "ab")


@pytest.mark.parametrize("number", [2**63, 2**100, 0, -1])
async def test_a_dispatch_that_cannot_be_is_refused(worker: SimpleWorker, number: int) -> None:
    for verb in ("heartbeat", "fail", "requeue", "complete"):
        output = {"size": 1, "mime_type": "video/mp4"}
        body = {"error_message": "x", "reason": "x", "provider_job_id": "p", "output": output}
        answer = await worker.call(verb, dispatch_id=number, lease_token="t", **body)
        assert answer.status_code == 422, (verb, answer.text)


async def test_a_registration_with_nul_is_taken_without_it(
    operator: OperatorAccess, control_plane: ControlPlane
) -> None:
    async with SimpleWorker.registered(control_plane.url, display_name="a\x00b", instance_type="g5\x00"):
        shown = await operator.get(PATH)
    assert (shown["display_name"], shown["instance_type"]) == ("ab", "g5")
