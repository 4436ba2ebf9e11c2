"""A machine proves itself before a real control plane, beside another one that takes jobs, too."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from tests.support.clouds.fleet import MemoryCloud
from tests.support.control_plane import ControlPlane
from tests.support.operator import OperatorAccess
from tests.support.simple_worker import SimpleWorker, lease_of
from tests.support.workflow_library import import_soft

from comfyfleet.client.connection import Connection
from comfyfleet.ops.canary import OperatorPlane, PlaneBench, RenderProof
from comfyfleet.ops.errors import CanaryFailed

CANARY, OTHER = "i-0123456789abcdef0", "i-0fedcba9876543210"


@pytest.fixture
async def operator(control_plane: ControlPlane) -> OperatorAccess:
    operator = OperatorAccess(control_plane)
    await import_soft(operator)
    return operator


@pytest.fixture
async def proof(operator: OperatorAccess, tmp_path: Path) -> AsyncIterator[RenderProof]:
    """Ask with the administrator's key; pauses are short."""
    body = {"filename": "a.png", "content_type": "image/png", "size": 8}
    ticket = await operator.post("/uploads", body)
    async with httpx.AsyncClient(timeout=60) as plain:
        (await plain.put(ticket["put_url"], content=b"an image", headers=ticket["headers"])).raise_for_status()
    cloud = replace(MemoryCloud(tmp_path).cloud, now=lambda: datetime.now(UTC), sleep=lambda _: time.sleep(0.02))
    control_plane = operator.control_plane
    with OperatorPlane(Connection(url=control_plane.url, api_key=SecretStr(control_plane.admin_key))) as plane:
        yield RenderProof(PlaneBench(plane), cloud, "local/gpu-default", "soft", {"image": ticket["upload_id"]})


@contextlib.asynccontextmanager
async def working(url: str, worker_id: str, do: Callable[[SimpleWorker, dict[str, Any]], Any]) -> AsyncIterator[None]:
    """Let a worker take jobs until the end."""
    async with SimpleWorker.registered(url, worker_id) as worker:

        async def work() -> None:
            while True:
                job = await worker.poll(wait_seconds=1)
                if job is not None:
                    await do(worker, job)

        task = asyncio.create_task(work())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def render(worker: SimpleWorker, job: dict[str, Any]) -> None:
    await worker.complete(job, await worker.put_output(job))


async def fail(worker: SimpleWorker, job: dict[str, Any]) -> None:
    await worker.call("fail", **lease_of(job), error_message="No GPU.", retryable=False)


async def test_a_machine_proves_itself_beside_others(
    operator: OperatorAccess, control_plane: ControlPlane, proof: RenderProof
) -> None:
    assert not await asyncio.to_thread(proof.is_registered, CANARY)
    async with working(control_plane.url, OTHER, render), working(control_plane.url, CANARY, render):
        assert await asyncio.to_thread(proof.is_registered, CANARY)
        job_id = await asyncio.to_thread(proof.render, CANARY, among=2, timeout_seconds=60)
    job = await operator.get(f"/admin/jobs/{job_id}")
    assert (job["status"], job["is_test"], job["attempts"][-1]["worker_id"]) == ("completed", True, CANARY)


async def test_a_machine_that_fails_its_job_is_found_out_though_others_render(
    control_plane: ControlPlane, proof: RenderProof
) -> None:
    async with working(control_plane.url, OTHER, render), working(control_plane.url, CANARY, fail):
        with pytest.raises(CanaryFailed, match=r"No GPU"):
            await asyncio.to_thread(proof.render, CANARY, among=2, timeout_seconds=60)
