"""Operators find any job, by its number, by words, by names and by filters, newest first."""

from typing import Any

import pytest
from sqlalchemy import text
from tests.support.control_plane import ControlPlane, TenantAccess
from tests.support.operator import OperatorAccess
from tests.support.simple_worker import SimpleWorker, lease_of


@pytest.fixture
def operator(control_plane: ControlPlane) -> OperatorAccess:
    """Return the operator."""
    return OperatorAccess(control_plane)


@pytest.fixture
async def jobs(control_plane: ControlPlane, tenant: TenantAccess, worker: SimpleWorker) -> dict[str, int]:
    """Make jobs of two tenants: one failed, one completed, and one of each tenant queued."""
    other = await control_plane.new_tenant("beta-film")
    clip = await tenant.upload(b"bytes", "fox_run-7.mp4")
    failed = await tenant.submit("invert-video", input_video=clip)
    await worker.call("fail", **lease_of(await worker.lease()), error_message="CUDA out of memory", retryable=False)
    completed = await other.submit("caption-video", prompt="Zyzzyva jumps over cat/dog")
    await worker.render()
    queued = await tenant.submit("invert-image")
    last = await other.submit("invert-video")
    ids = {"failed": failed, "completed": completed, "queued": queued, "last": last}
    return {name: job["id"] for name, job in ids.items()}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["last", "queued", "completed", "failed"]),
        ({"status": "failed"}, ["failed"]),
        ({"fleet": "local/gpu-default", "status": "queued"}, ["last", "queued"]),
        ({"effect": "invert-video"}, ["last", "failed"]),
        ({"tenant": "alpha"}, ["queued", "failed"]),
        ({"tenant": "alpha", "effect": "caption-video"}, []),
        ({"worker": "i-0simple"}, ["completed", "failed"]),
        ({"q": "zyzzyva"}, ["completed"]),
        ({"q": "jumps zyz"}, ["completed"]),
        ({"q": "dog"}, ["completed"]),
        ({"q": "zyz jumps"}, []),
        ({"q": "cuda memory"}, ["failed"]),
        ({"q": "fox_run-7.mp4"}, ["failed"]),
        ({"q": "run 7"}, ["failed"]),
        ({"q": "BETA-film"}, ["last", "completed"]),
        ({"q": "Caption"}, ["completed"]),
        ({"q": "0sim"}, ["completed", "failed"]),
        ({"q": "beta", "status": "queued"}, ["last"]),
        ({"q": "%"}, []),
        ({"q": "'):* | ("}, []),
        ({"q": "99999999999999999999999"}, []),
    ],
)
async def test_jobs_are_found(
    operator: OperatorAccess, jobs: dict[str, int], query: dict[str, Any], found: list[str]
) -> None:
    page = await operator.get("/admin/jobs", **query)
    assert [job["id"] for job in page["items"]] == [jobs[name] for name in found]


async def test_a_number_is_a_jobs_id(operator: OperatorAccess, jobs: dict[str, int]) -> None:
    for typed in (str(jobs["failed"]), f" #{jobs['failed']} "):
        (job,) = (await operator.get("/admin/jobs", q=typed, limit=1))["items"]
        assert job["id"] == jobs["failed"]
        assert (job["tenant"], job["fleet"], job["worker_id"]) == ("alpha", "local/gpu-default", "i-0simple")
        assert (job["status"], job["error"], job["attempt"]) == ("failed", "CUDA out of memory", 1)
    assert (await operator.get("/admin/jobs", q=jobs["failed"], status="queued"))["items"] == []


async def test_a_long_list_is_read_page_by_page_over_gaps_between_ids(
    control_plane: ControlPlane, operator: OperatorAccess, tenant: TenantAccess
) -> None:
    submitted = []
    for number in (1, 2, 700, 5_000, 1_000_000):
        async with control_plane.wiring.sessions.begin() as session:
            await session.execute(text(f"ALTER TABLE jobs ALTER COLUMN id RESTART WITH {number}"))
        submitted.append((await tenant.submit("caption-video", prompt="common words"))["id"])
    for query in ({}, {"q": "common"}, {"tenant": "alpha", "status": "queued"}):
        seen: list[int] = []
        before: int | None = None
        for _ in range(3):
            page = await operator.get("/admin/jobs", limit=2, **query, **({"before": before} if before else {}))
            seen += [job["id"] for job in page["items"]]
            before = page["next_before"]
        assert (seen, before) == (submitted[::-1], None)


@pytest.mark.parametrize("filter_", ["tenant", "effect", "worker", "fleet"])
async def test_a_filter_by_what_does_not_exist_says_so(operator: OperatorAccess, filter_: str) -> None:
    assert await operator.refused("GET", "/admin/jobs", **{filter_: "local/nobody"}) == (404, "filter_unknown")


@pytest.mark.parametrize("query", [{"q": "a\x00b"}, {"tenant": "\x00"}, {"limit": 201}, {"q": "a" * 201}])
async def test_a_search_is_bounded(operator: OperatorAccess, query: dict[str, Any]) -> None:
    assert await operator.refused("GET", "/admin/jobs", **query) == (422, "request_invalid")


async def test_a_tenant_searches_nothing_of_others(tenant: TenantAccess) -> None:
    assert (await tenant.call("GET", "/api/admin/jobs")).status_code == 403
