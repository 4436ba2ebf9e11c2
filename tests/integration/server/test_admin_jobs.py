"""Operators look into any job, cancel it, and let it be done again."""

from typing import Any

import httpx
import pytest
from tests.support.control_plane import ControlPlane, TenantAccess
from tests.support.operator import OperatorAccess
from tests.support.simple_worker import SimpleWorker, lease_of

PROMPT = {"prompt": "a red fox"}


@pytest.fixture
def operator(control_plane: ControlPlane) -> OperatorAccess:
    """Return the operator."""
    return OperatorAccess(control_plane)


async def failed_job(tenant: TenantAccess, worker: SimpleWorker, **error: Any) -> int:
    """Make a job that failed for good; return its id."""
    job = await tenant.submit("caption-video", **PROMPT)
    leased = await worker.lease()
    await worker.call("fail", **lease_of(leased), error_message="No such font", retryable=False, **error)
    job_id: int = job["id"]
    return job_id


async def test_a_job_is_shown_with_all_that_happened_to_it(
    operator: OperatorAccess, tenant: TenantAccess, worker: SimpleWorker
) -> None:
    job = await tenant.submit("caption-video", **PROMPT)
    first = await worker.lease()
    await worker.call("requeue", **lease_of(first), reason="spot interruption")
    await worker.render()
    shown = await operator.get(f"/admin/jobs/{job['id']}")
    assert (shown["tenant"], shown["tenant_name"], shown["fleet"]) == ("alpha", "Alpha", "local/gpu-default")
    assert (shown["workflow"], shown["worker_id"], shown["provider_job_id"]) == (
        "caption-video",
        "i-0simple",
        "prompt-1",
    )
    assert [event["event"] for event in shown["timeline"]] == ["queued", "leased", "requeued", "leased", "completed"]
    attempts = [(attempt["number"], attempt["end"], attempt["detail"]) for attempt in shown["attempts"]]
    assert attempts == [(1, "requeued", "spot interruption"), (1, "completed", "")]
    (file,) = shown["files"]
    assert (file["filename"], file["content_type"], file["is_primary_input"]) == ("clip.mp4", "video/mp4", True)
    async with httpx.AsyncClient(timeout=60) as anyone:
        assert (await anyone.get(file["url"])).content == b"bytes of a file"
        assert (await anyone.get(shown["output_url"])).content == b"rendered"


async def test_an_error_is_shown_at_its_node(
    operator: OperatorAccess, tenant: TenantAccess, worker: SimpleWorker
) -> None:
    job_id = await failed_job(tenant, worker)
    nodes = (await operator.get(f"/admin/jobs/{job_id}"))["nodes"]
    node = next(node for node in nodes if node["class_type"] == "TextOverlay")
    at = {"node_id": node["id"], "node_type": node["class_type"], "input_name": "text"}
    shown = await operator.get(f"/admin/jobs/{await failed_job(tenant, worker, **at)}")
    assert shown["error"] == {"message": "No such font", "code": None, **at}
    assert shown["error_inputs"]["text"] == "a red fox"
    assert node["title"]


async def test_an_unknown_job_is_not_found(operator: OperatorAccess) -> None:
    for method, verb in (("GET", ""), ("POST", "/cancel"), ("POST", "/retry")):
        assert await operator.refused(method, f"/admin/jobs/4711{verb}") == (404, "job_not_found")


async def test_an_operator_cancels_a_job_of_any_tenant(
    operator: OperatorAccess, tenant: TenantAccess, worker: SimpleWorker
) -> None:
    running = await tenant.submit()
    leased = await worker.lease()
    queued = await tenant.submit()
    assert (await operator.data("POST", f"/admin/jobs/{queued['id']}/cancel"))["status"] == "canceled"
    shown = await operator.data("POST", f"/admin/jobs/{running['id']}/cancel")
    assert (shown["status"], shown["cancel_requested"]) == ("processing", True)
    assert (await worker.call("heartbeat", **lease_of(leased))).json()["data"]["cancel_requested"]
    assert await tenant.ledger() == [("reserve", 2), ("reserve", 2), ("refund", 2)]
    await operator.data("POST", f"/admin/jobs/{running['id']}/cancel")
    acts = await operator.noted("job.cancel")
    assert [(subject, detail) for subject, detail in acts] == [
        (str(job["id"]), {"tenant": "alpha", "effect": "invert-video"}) for job in (queued, running)
    ]


async def test_a_completed_job_is_neither_canceled_nor_done_again(
    operator: OperatorAccess, tenant: TenantAccess, worker: SimpleWorker
) -> None:
    job = await tenant.submit()
    assert await operator.refused("POST", f"/admin/jobs/{job['id']}/retry") == (409, "nothing_to_retry")
    await worker.render()
    assert await operator.refused("POST", f"/admin/jobs/{job['id']}/retry") == (409, "nothing_to_retry")
    assert await operator.refused("POST", f"/admin/jobs/{job['id']}/cancel") == (409, "job_finished")
    assert await operator.noted("job.") == []


async def test_a_failed_job_is_done_again_as_a_new_job_that_is_paid_anew(
    operator: OperatorAccess, tenant: TenantAccess, worker: SimpleWorker
) -> None:
    job_id = await failed_job(tenant, worker)
    before = await tenant.balance()
    again = await operator.data("POST", f"/admin/jobs/{job_id}/retry")
    assert again["id"] != job_id
    assert (again["retry_of"], again["status"], again["tenant"]) == (job_id, "queued", "alpha")
    assert again["values"]["prompt"] == "a red fox"
    assert (await tenant.balance())["available"] == before["available"] - again["credits_cost"]
    assert (await tenant.job(again["id"]))["status"] == "queued"
    leased = await worker.render()
    assert leased["job_id"] == again["id"]
    assert leased["input_payload"]["assets"][0]["filename"] == "clip.mp4"
    first = await operator.get(f"/admin/jobs/{job_id}")
    assert (first["status"], [(retry["id"], retry["status"]) for retry in first["retries"]]) == (
        "failed",
        [(again["id"], "completed")],
    )
    acts = await operator.noted("job.retry")
    assert [(subject, detail["job"]) for subject, detail in acts] == [(str(job_id), again["id"])]
    found = await operator.get("/admin/jobs", q="fox")
    assert [job["id"] for job in found["items"]] == [again["id"], job_id]


async def test_a_job_is_done_again_once_at_a_time(
    operator: OperatorAccess, tenant: TenantAccess, worker: SimpleWorker
) -> None:
    job_id = await failed_job(tenant, worker)
    again = await operator.data("POST", f"/admin/jobs/{job_id}/retry")
    assert await operator.refused("POST", f"/admin/jobs/{job_id}/retry") == (409, "retried_already")
    await operator.data("POST", f"/admin/jobs/{again['id']}/cancel")
    assert (await operator.data("POST", f"/admin/jobs/{job_id}/retry"))["retry_of"] == job_id


async def test_a_tenant_without_credits_gets_no_retry(control_plane: ControlPlane, worker: SimpleWorker) -> None:
    poor = await control_plane.new_tenant("poor", balance=3)
    operator = OperatorAccess(control_plane)
    job_id = await failed_job(poor, worker)
    await poor.submit("invert-video")
    assert await operator.refused("POST", f"/admin/jobs/{job_id}/retry") == (402, "credits_insufficient")
    assert (await operator.get(f"/admin/jobs/{job_id}"))["retries"] == []


@pytest.mark.parametrize(("method", "verb"), [("GET", ""), ("POST", "/cancel"), ("POST", "/retry")])
async def test_a_tenant_is_no_operator_of_its_jobs(tenant: TenantAccess, method: str, verb: str) -> None:
    job = await tenant.submit()
    assert (await tenant.call(method, f"/api/admin/jobs/{job['id']}{verb}")).status_code == 403
