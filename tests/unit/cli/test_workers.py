import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import Result

from comfyfleet.core.jobs import JobStatus
from comfyfleet.core.workers import WorkerStatus
from comfyfleet.protocol.bundles import BundleRef
from comfyfleet.protocol.worker import Figures, GpuFigures
from comfyfleet.protocol.workers import WorkerDetail, WorkerJob, WorkerLogLineView, WorkerPage

if TYPE_CHECKING:
    from tests.unit.conftest import FakePlane

Fleet = Callable[..., Result]

NOW = datetime(2026, 2, 20, 12, 34, 56, tzinfo=UTC)
JOB = WorkerJob(
    id=17,
    effect="caption",
    tenant="acme",
    status=JobStatus.PROCESSING,
    attempt=1,
    progress=0.42,
    progress_node="KSampler",
    error_message=None,
    leased_at=NOW,
    started_at=NOW,
    finished_at=None,
)
WORKER = WorkerDetail(
    worker_id="i-0abc",
    fleet_slug="gpu",
    stage="local",
    status=WorkerStatus.ACTIVE,
    registration_source="fleet",
    display_name="ip-10-0-0-1",
    capabilities={"comfyui_version": "0.33.0", "is_standin": True},
    max_concurrency=2,
    instance_type="g5.xlarge",
    jobs=[JOB],
    bundle_id="b-1",
    figures=Figures(
        gpus=[
            GpuFigures(name="NVIDIA A10G", vram_total=24_000_000_000, vram_free=4_000_000_000, torch_vram_total=10**9)
        ]
    ),
    figures_at=NOW,
    registered_at=NOW,
    last_seen_at=NOW,
    bundle=BundleRef(bundle_id="b-1", name="sdxl", version=1),
    fleet_bundle=BundleRef(bundle_id="b-2", name="sdxl", version=2),
    recent_jobs=[
        JOB.model_copy(update={"id": 16, "status": JobStatus.FAILED, "finished_at": NOW, "error_message": "No memory"})
    ],
)


def worker(**changes: Any) -> WorkerDetail:
    return WORKER.model_copy(update=changes)


def test_workers_are_listed_with_their_comfyui_and_jobs(fleet: Fleet, fake_plane: "FakePlane") -> None:
    strange = worker(worker_id="i-1", capabilities={}, jobs=[])
    fake_plane.says("GET", "/api/workers", WorkerPage(items=[WORKER, strange], total=7))
    result = fleet("workers", "list", "-q", "g5", "--fleet", "local/gpu", "--source", "fleet")
    assert "the stand-in (not ComfyUI) 0.33.0" in result.stdout
    assert "17 (42%)" in result.stdout
    assert "ComfyUI of unknown version" in result.stdout
    assert "2 of 7 workers. More: --offset 2" in result.stderr
    [asked] = fake_plane.received
    assert asked.query == {
        "q": "g5",
        "fleet": "local/gpu",
        "status": "draining",
        "source": "fleet",
        "limit": "50",
        "offset": "0",
    }


@pytest.mark.parametrize(
    ("options", "statuses"),
    [([], ["active", "draining"]), (["--all"], []), (["--status", "lost", "--status", "revoked"], ["lost", "revoked"])],
)
def test_those_that_left_are_listed_when_asked_for(
    fleet: Fleet, fake_plane: "FakePlane", options: list[str], statuses: list[str]
) -> None:
    fake_plane.says("GET", "/api/workers", WorkerPage(items=[], total=0))
    assert "There are no workers." in fleet("workers", "list", *options).stderr
    assert [value for name, value in fake_plane.received[0].pairs if name == "status"] == statuses


def test_a_worker_is_shown_with_gpus_bundle_and_jobs(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("GET", "/api/workers/i-0abc", WORKER)
    shown = fleet("workers", "show", "i-0abc").stdout
    assert "NVIDIA A10G: 20.0 GB of 24.0 GB in use, 1.0 GB reserved by PyTorch" in shown
    assert "sdxl@1 (the fleet points to sdxl@2)" in shown
    assert "processing 42%" in shown
    assert "No memory" in shown
    assert json.loads(fleet("workers", "show", "i-0abc", "--json").stdout)["recent_jobs"][0]["id"] == 16


def test_a_worker_that_told_nothing_is_shown(fleet: Fleet, fake_plane: "FakePlane") -> None:
    bare = worker(jobs=[], recent_jobs=[], bundle_id=None, bundle=None, fleet_bundle=None, figures=None)
    fake_plane.says("GET", "/api/workers/i-0abc", bare)
    result = fleet("workers", "show", "i-0abc")
    assert "none that is known" in result.stdout
    assert "It has had no jobs." in result.stderr


def test_a_log_is_printed_without_what_could_move_the_cursor(fleet: Fleet, fake_plane: "FakePlane") -> None:
    line = WorkerLogLineView(id=4, at=NOW, level="WARNING", text="job 1: \x1b[2J failed")
    fake_plane.says("GET", "/api/workers/i-0abc/log", [line])
    printed = fleet("workers", "log", "i-0abc", "-n", "5").stdout
    assert "WARNING  job 1: \N{REPLACEMENT CHARACTER}[2J failed" in printed
    assert json.loads(fleet("workers", "log", "i-0abc", "--json").stdout)["id"] == 4
    assert fake_plane.received[0].query == {"limit": "5"}


@pytest.mark.parametrize(
    ("act", "status"),
    [("drain", WorkerStatus.DRAINING), ("activate", WorkerStatus.ACTIVE), ("restore", WorkerStatus.DEREGISTERED)],
)
def test_a_worker_is_told_what_to_do(fleet: Fleet, fake_plane: "FakePlane", act: str, status: WorkerStatus) -> None:
    fake_plane.says("POST", f"/api/workers/i-0abc/{act}", worker(status=status))
    result = fleet("workers", act, "i-0abc")
    assert f"The worker 'i-0abc' is {status}" in result.stderr
    assert ("with 1 job to finish" in result.stderr) == (act == "drain")
    assert json.loads(fleet("workers", act, "i-0abc", "--json").stdout)["status"] == status


def test_a_worker_is_revoked_once_that_is_confirmed(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("POST", "/api/workers/i-0abc/revoke", worker(status=WorkerStatus.REVOKED, jobs=[]))
    assert fleet("workers", "revoke", "i-0abc", typed="n\n").exit_code == 1
    assert fake_plane.received == []
    assert fleet("workers", "revoke", "i-0abc", "--yes").exit_code == 0
