"""What a worker tells of its machine and from its log, and that no job is disturbed by it."""

import logging
from pathlib import Path
from typing import Any

import pytest
from tests.integration.worker.conftest import Crew, StandIn, plain_image
from tests.integration.worker.plane import FLEET_SECRET, SIGNATURE, Plane, until


@pytest.fixture(autouse=True)
def everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Log as the program does."""
    caplog.set_level(logging.INFO, "comfyfleet")


def lines(plane: Plane) -> list[str]:
    return [line["text"] for report in plane.of("report") for line in report["log"]]


async def test_figures_bundle_and_log_are_told_again_and_again(
    crew: Crew, plane: Plane, comfyui: StandIn, tmp_path: Path
) -> None:
    (tmp_path / ".active_bundle_id").write_text("6c2e1b2c-2a7d-4a0f-9d2d-4a0b1d2c3e4f\n")
    plane.offer(plain_image("reports/a"), "2")
    async with crew.worker(comfyui.url, report_interval_seconds=0.2, install_root=tmp_path):
        first = await plane.told("report")
        await plane.told("complete")
        await until(lambda: any("completed" in line for line in lines(plane)), "the line of the job")
    assert first["bundle_id"] == "6c2e1b2c-2a7d-4a0f-9d2d-4a0b1d2c3e4f"
    assert "standin" in first["figures"]["comfyui_version"]
    assert first["figures"]["gpus"][0]["vram_total"] > 0
    told = lines(plane)
    assert len([line for line in told if line.startswith("registered as i-0test")]) == 1
    assert len(told) == len(set(told))
    everything = str(plane.of("report"))
    for secret in (FLEET_SECRET, SIGNATURE, *plane.tokens):
        assert secret not in everything


async def test_an_older_control_plane_is_asked_once(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    plane.report_refusal = (404, "http_404")
    plane.offer(plain_image("reports/b"), "2")
    async with crew.worker(comfyui.url, report_interval_seconds=0.05):
        await plane.told("complete")
        await plane.told("poll", 3)
    assert len(plane.of("report")) == 1


@pytest.mark.parametrize(
    "refusal", [(503, "database_unavailable"), (422, "request_invalid"), (401, "worker_token_invalid")]
)
async def test_reports_that_are_not_heard_disturb_no_job_and_are_told_later(
    crew: Crew, plane: Plane, comfyui: StandIn, refusal: tuple[int, str]
) -> None:
    plane.report_refusal = refusal
    plane.offer(plain_image("reports/c"), "2")
    async with crew.worker(comfyui.url, report_interval_seconds=0.05):
        await plane.told("complete")
        await plane.told("report", 3)
        plane.report_refusal, refused = None, len(plane.of("report"))
        await plane.told("report", refused + 2)
    heard: list[dict[str, Any]] = plane.of("report")[refused:]
    told = [line["text"] for report in heard for line in report["log"]]
    assert any("completed" in line for line in told)
    assert len([line for line in told if "does not hear reports" in line]) == 1
    assert len(plane.tokens) == 1


async def test_a_comfyui_that_is_away_leaves_the_log_to_be_told(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    async with crew.worker(comfyui.url, report_interval_seconds=0.1):
        await plane.told("report")
        comfyui.process.kill()
        await until(lambda: "figures" not in plane.of("report")[-1], "a report without figures")


async def test_the_last_words_of_a_worker_are_heard(crew: Crew, plane: Plane, comfyui: StandIn) -> None:
    with crew.process(comfyui.url, report_interval_seconds=60) as worker:
        await plane.told("report")
        await plane.told("poll")
        worker.terminate()
        assert await worker.ended(20) == 0
    assert any(line.startswith("SIGTERM: putting back") for line in lines(plane))
    assert [call.verb for call in plane.calls][-2:] == ["report", "deregister"]
