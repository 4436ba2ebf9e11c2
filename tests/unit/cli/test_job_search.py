import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import Result

from comfyfleet.core.jobs import JobEvent, JobStatus
from comfyfleet.protocol.api import JobEventView
from comfyfleet.protocol.envelope import Page
from comfyfleet.protocol.jobs import AttemptView, JobDetail, JobFileView, JobRow, RetryView

if TYPE_CHECKING:
    from tests.unit.conftest import FakePlane

Fleet = Callable[..., Result]

NOW = datetime(2026, 2, 20, 12, 34, 56, tzinfo=UTC)
ROW = JobRow(
    id=17,
    tenant="acme",
    tenant_name="Acme",
    effect="caption",
    effect_name="Caption",
    fleet="local/gpu",
    worker_id="i-1",
    status=JobStatus.FAILED,
    cancel_requested=False,
    attempt=1,
    max_attempts=3,
    progress=0.5,
    progress_node=None,
    credits_cost=3,
    error="Not enough memory\nTraceback",
    retry_of=None,
    created_at=NOW,
    leased_at=NOW,
    finished_at=NOW,
)


def detail(fake_plane: "FakePlane", **changes: Any) -> JobDetail:
    """Return a job with all that there is to tell of it."""
    file = {"key": "clip", "type": "video", "filename": "a.mp4", "content_type": "video/mp4", "size": 5}
    attempt = {"number": 1, "worker_id": "i-1", "leased_at": NOW, "started_at": None, "ended_at": NOW}
    told = {
        **fake_plane.failed_job().model_dump(),
        "tenant": "acme",
        "tenant_name": "Acme",
        "fleet": "local/gpu",
        "worker_id": "i-1",
        "workflow": "flow",
        "workflow_name": "Flow",
        "provider_job_id": None,
        "output_node_id": "9",
        "output_metadata": None,
        "files": [JobFileView(**file, is_primary_input=True, url="https://s3/a.mp4")],
        "nodes": [],
        "error_inputs": None,
        "attempts": [AttemptView(**attempt, end=JobEvent.FAILED, detail="Not enough memory")],
        "timeline": [JobEventView(at=NOW, event=JobEvent.LEASED, attempt=1, detail="i-1")],
        "retry_of": None,
        "retries": [RetryView(id=18, status=JobStatus.QUEUED, created_at=NOW)],
    }
    return JobDetail.model_validate({**told, **changes})


def test_jobs_of_all_tenants_are_searched(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("GET", "/api/admin/jobs", Page(items=[ROW], next_before=17))
    result = fleet("jobs", "search", "not", "enough", "--status", "failed", "--fleet", "local/gpu", "-n", "1")
    assert "Not enough memory" in result.stdout
    assert "Traceback" not in result.stdout
    more = "comfyfleet jobs search 'not enough' --status failed --fleet local/gpu --before 17"
    assert f"More: {more}" in result.stderr
    query = {"q": "not enough", "status": "failed", "fleet": "local/gpu", "limit": "1"}
    assert fake_plane.received[0].query == query
    assert json.loads(fleet("jobs", "search", "--json").stdout)["items"][0]["tenant"] == "acme"


def test_a_job_of_any_tenant_is_inspected(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("GET", "/api/admin/jobs/17", detail(fake_plane))
    shown = fleet("jobs", "inspect", "17").stdout
    for words in ("Acme (acme)", "local/gpu", "a.mp4", "18 (queued)", "Not enough memory", "leased"):
        assert words in shown
    assert json.loads(fleet("jobs", "inspect", "17", "--json").stdout)["attempts"][0]["end"] == "failed"


def test_a_job_is_done_again_once_that_is_confirmed(fleet: Fleet, fake_plane: "FakePlane") -> None:
    fake_plane.says("POST", "/api/admin/jobs/17/retry", detail(fake_plane, id=18, retry_of=17), status=201)
    assert fleet("jobs", "retry", "17").exit_code == 1
    assert fake_plane.received == []
    assert "as job 18" in fleet("jobs", "retry", "17", "--yes").stderr


@pytest.mark.parametrize(("option", "path"), [([], "/api/jobs/17"), (["--any-tenant"], "/api/admin/jobs/17")])
def test_a_job_of_any_tenant_is_canceled_if_that_is_said(
    fleet: Fleet, fake_plane: "FakePlane", option: list[str], path: str
) -> None:
    fake_plane.says("POST", f"{path}/cancel", detail(fake_plane, status=JobStatus.CANCELED))
    assert "Job 17 is canceled" in fleet("jobs", "cancel", "17", "--yes", *option).stderr
