"""A client that knows only the required fields of the worker protocol, as an older worker does."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
from tests.support.control_plane import FLEET, FLEET_SECRET


@dataclass
class SimpleWorker:
    """A registered worker, step by step."""

    http: httpx.AsyncClient
    worker_id: str
    token: str

    @classmethod
    @contextlib.asynccontextmanager
    async def registered(cls, url: str, worker_id: str = "i-0simple", **fields: Any) -> AsyncIterator["SimpleWorker"]:
        """Register and yield the worker."""
        async with httpx.AsyncClient(base_url=url, timeout=30) as http:
            worker = cls(http, worker_id, "")
            await worker.register(**fields)
            yield worker

    async def register(self, **fields: Any) -> dict[str, Any]:
        """Register (again); return the answer's data."""
        body = {"worker_id": self.worker_id, "fleet_slug": FLEET, **fields}
        answer = await self.http.post("/api/worker/register", json=body, headers={"X-Fleet-Secret": FLEET_SECRET})
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()["data"]
        self.token = data["token"]
        return data

    async def call(self, verb: str, **body: Any) -> httpx.Response:
        """Call the protocol with the token."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return await self.http.post(f"/api/worker/{verb}", json=body, headers=headers)

    async def poll(self, **fields: Any) -> dict[str, Any] | None:
        """Ask for a job."""
        answer = await self.call("poll", worker_id=self.worker_id, current_load=0, max_concurrency=1, **fields)
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] | None = answer.json()["data"]["job"]
        return job

    async def lease(self) -> dict[str, Any]:
        """Ask for a job that must be there."""
        job = await self.poll()
        assert job is not None
        return job

    async def put_output(self, job: dict[str, Any], content: bytes = b"rendered") -> int:
        """Upload an output; return its size."""
        answer = await self.http.put(job["output_url"], content=content, headers=job["output_headers"])
        assert answer.is_success, answer.text
        return len(content)

    async def complete(self, job: dict[str, Any], size: int) -> httpx.Response:
        """Complete a job."""
        output = {"size": size, "mime_type": "video/mp4"}
        return await self.call("complete", **lease_of(job), provider_job_id="prompt-1", output=output)

    async def render(self) -> dict[str, Any]:
        """Lease a job, upload something, and complete it."""
        job = await self.lease()
        answer = await self.complete(job, await self.put_output(job))
        assert answer.status_code == 200, answer.text
        return job


def lease_of(job: dict[str, Any]) -> dict[str, Any]:
    """Return what every call about a leased job carries."""
    return {"dispatch_id": job["dispatch_id"], "lease_token": job["lease_token"]}
