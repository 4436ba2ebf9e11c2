from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from tests.support.clouds.fleet import LABEL, MemoryCloud
from tests.unit.cli.test_workers import worker

from comfyfleet.client.connection import Connection
from comfyfleet.client.errors import Refused
from comfyfleet.core.jobs import JobEvent, JobStatus
from comfyfleet.core.workers import WorkerStatus
from comfyfleet.ops.canary import OperatorPlane, PlaneBench, RenderProof
from comfyfleet.ops.errors import CanaryFailed
from comfyfleet.protocol.jobs import AttemptView, JobDetail

if TYPE_CHECKING:
    from tests.unit.conftest import FakePlane

NOW = datetime(2026, 2, 20, tzinfo=UTC)
CANARY, OTHER = "i-0123456789abcdef0", "i-0fedcba9876543210"


@pytest.fixture
def proof(fake_plane: "FakePlane", memory: MemoryCloud) -> RenderProof:
    plane = OperatorPlane(Connection(url=fake_plane.url, api_key=SecretStr("cfk_any")))
    return RenderProof(PlaneBench(plane), memory.cloud, LABEL, "soft", {"radius": 3})


def job(number: int, *tries: tuple[str, JobEvent | None], status: JobStatus = JobStatus.COMPLETED) -> JobDetail:
    attempts = [
        AttemptView(number=n, worker_id=who, leased_at=NOW, started_at=NOW, ended_at=NOW, end=end, detail="no GPU")
        for n, (who, end) in enumerate(tries, start=1)
    ]
    fields: dict[str, Any] = dict.fromkeys(JobDetail.model_fields)
    for name in ("files", "nodes", "timeline", "retries"):
        fields[name] = []
    for name in ("effect", "effect_name", "tenant", "tenant_name", "workflow", "workflow_name", "output_node_id"):
        fields[name] = "x"
    fields |= {"id": number, "fleet": LABEL, "status": status, "attempts": attempts, "values": {}, "is_test": True}
    fields |= {"priority": 0, "attempt": 1, "max_attempts": 3, "progress": 1.0, "credits_cost": 0}
    fields |= {"cancel_requested": False, "output_mime_type": "image/png", "created_at": NOW, "queued_at": NOW}
    return JobDetail(**fields)


def queues(plane: "FakePlane", *jobs: JobDetail) -> None:
    for one in jobs:
        plane.says("POST", "/api/workflows/soft/test-run", one, status=201)
        plane.says("GET", f"/api/admin/jobs/{one.id}", one)
        plane.says("POST", f"/api/admin/jobs/{one.id}/cancel", one)


def done(number: int, who: str) -> JobDetail:
    return job(number, (who, JobEvent.COMPLETED))


def test_a_worker_is_registered_when_it_is_active(proof: RenderProof, fake_plane: "FakePlane") -> None:
    path = f"/api/workers/{CANARY}"
    fake_plane.refuses("GET", path, 404, "worker_not_found", "None.")
    fake_plane.says("GET", path, worker(status=WorkerStatus.LOST))
    fake_plane.says("GET", path, worker())
    assert [proof.is_registered(CANARY) for _ in range(3)] == [False, False, True]


def test_a_refusal_of_another_kind_is_told(proof: RenderProof, fake_plane: "FakePlane") -> None:
    fake_plane.refuses("GET", f"/api/workers/{CANARY}", 403, "forbidden", "No.")
    with pytest.raises(Refused):
        proof.is_registered(CANARY)


def test_test_runs_are_repeated_until_the_machine_takes_one(proof: RenderProof, fake_plane: "FakePlane") -> None:
    queues(fake_plane, done(1, OTHER), done(2, OTHER), done(3, CANARY), done(4, OTHER))
    assert proof.render(CANARY, among=2, timeout_seconds=600) == 3
    bodies = [one.json for one in fake_plane.received if one.path == "/api/workflows/soft/test-run"]
    assert bodies == [{"fleet": LABEL, "values": {"radius": 3}}] * 4
    assert [one.path for one in fake_plane.received if one.path.endswith("/cancel")] == ["/api/admin/jobs/4/cancel"]


@pytest.mark.parametrize("end", [JobEvent.FAILED, JobEvent.RETRIED, JobEvent.LEASE_EXPIRED])
def test_a_job_that_the_machine_did_not_render_ends_the_proof(
    proof: RenderProof, fake_plane: "FakePlane", end: JobEvent
) -> None:
    queues(fake_plane, job(1, (CANARY, end), (OTHER, JobEvent.COMPLETED)))
    with pytest.raises(CanaryFailed, match="did not render test job 1: no GPU"):
        proof.render(CANARY, among=1, timeout_seconds=600)


def test_a_job_that_failed_elsewhere_says_nothing_of_the_machine(proof: RenderProof, fake_plane: "FakePlane") -> None:
    queues(fake_plane, job(1, (OTHER, JobEvent.FAILED), status=JobStatus.FAILED), done(2, CANARY))
    assert proof.render(CANARY, among=1, timeout_seconds=600) == 2


def test_a_machine_that_takes_no_job_in_time_has_not_proved_itself(
    proof: RenderProof, fake_plane: "FakePlane", memory: MemoryCloud
) -> None:
    queues(fake_plane, job(1, status=JobStatus.QUEUED))
    started = memory.clock.now()
    with pytest.raises(CanaryFailed, match="in time"):
        proof.render(CANARY, among=1, timeout_seconds=60)
    assert 60 <= (memory.clock.now() - started).total_seconds() < 90
    assert fake_plane.received[-1].path == "/api/admin/jobs/1/cancel"
