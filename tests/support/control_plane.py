"""A control plane for tests: the real app on a real port, with a real database."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import uvicorn
from pydantic import SecretStr
from tests.support.seeded_database import is_empty, plant

from comfyfleet.asgi import create_site
from comfyfleet.core.roles import Role
from comfyfleet.server.credits import service as credit_service
from comfyfleet.server.maintenance import maintain_once
from comfyfleet.server.migrate import migrate
from comfyfleet.server.settings import ServerSettings
from comfyfleet.server.tenants import service as tenants
from comfyfleet.server.wiring import Wiring, wire
from comfyfleet.up.first_start import new_cli_key, prepare
from comfyfleet.web.operating.desk import Clouds

FLEET_SECRET = "a-fleet-secret-for-tests"
FLEET = "gpu-default"
_ASKED_AT_FIRST_START = {"stage", *(name for name in ServerSettings.model_fields if "bucket" in name or "disk" in name)}
"""Settings that a first start looks at; the others do not change what it makes."""


@dataclass
class TestClock:
    """A clock that tests set forward."""

    offset: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def forward(self, **parts: float) -> None:
        """Let time pass."""
        self.offset += timedelta(**parts)


@dataclass
class ControlPlane:
    """A running control plane, and what a test needs to talk to it."""

    url: str
    wiring: Wiring
    clock: TestClock
    admin_key: str
    first_password: str

    def client(self, key: str | None = None) -> httpx.AsyncClient:
        """Return a client with an API key, by default the administrator's."""
        headers = {"Authorization": f"Bearer {key or self.admin_key}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30)

    async def new_tenant(self, slug: str, *, balance: int = 100) -> "TenantAccess":
        """Make a tenant with credits and a key of its own."""
        async with self.wiring.sessions.begin() as session:
            tenant = await tenants.create_tenant(session, slug, slug.title())
            _, token = await tenants.create_key(session, tenant, "test", role=Role.USER)
            if balance:
                await credit_service.grant(session, tenant.id, balance, "for tests")
        return TenantAccess(self, tenant.id, slug, token)

    async def look_after(self) -> int:
        """Let maintenance look once; return how many jobs it took back."""
        return await maintain_once(self.wiring)


@dataclass
class TenantAccess:
    """A tenant and a client with its key."""

    control_plane: ControlPlane
    id: UUID
    slug: str
    token: str

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Call the API with the tenant's key."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.control_plane.client(self.token) as client:
            return await client.request(method, path, json=body, headers=names)

    async def upload(self, content: bytes, filename: str = "clip.mp4", content_type: str = "video/mp4") -> str:
        """Upload a file and return its id."""
        body = {"filename": filename, "content_type": content_type, "size": len(content)}
        ticket = (await self.call("POST", "/api/uploads", body)).json()["data"]
        async with httpx.AsyncClient(timeout=60) as plain:
            answer = await plain.put(ticket["put_url"], content=content, headers=ticket["headers"])
        assert answer.is_success, answer.text
        upload_id: str = ticket["upload_id"]
        return upload_id

    async def submit(self, effect: str = "invert-video", **values: Any) -> dict[str, Any]:
        """Submit a job with a small upload as its primary input, unless `values` has one."""
        primary = "input_image" if effect == "invert-image" else "input_video"
        if primary not in values:
            kind = ("a.png", "image/png") if primary == "input_image" else ("clip.mp4", "video/mp4")
            values[primary] = await self.upload(b"bytes of a file", *kind)
        answer = await self.call("POST", "/api/jobs", {"effect": effect, "values": values})
        assert answer.status_code == 201, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    async def balance(self) -> dict[str, int]:
        """Return the tenant's balance."""
        data: dict[str, int] = (await self.call("GET", "/api/me")).json()["data"]["balance"]
        return data

    async def ledger(self) -> list[tuple[str, int]]:
        """Return the tenant's entries of jobs, oldest first, as (kind, amount)."""
        async with self.control_plane.client() as admin:
            answer = await admin.get(f"/api/tenants/{self.slug}/ledger")
        items = answer.json()["data"]["items"]
        return [(item["kind"], item["amount"]) for item in reversed(items) if item["job_id"] is not None]

    async def job(self, job_id: int) -> dict[str, Any]:
        """Return a job."""
        data: dict[str, Any] = (await self.call("GET", f"/api/jobs/{job_id}")).json()["data"]
        return data


async def _first_start(settings: ServerSettings) -> str:
    wiring = wire(settings)
    try:
        await migrate(wiring.engine)
        return await prepare(wiring, FLEET) or ""
    finally:
        await wiring.engine.dispose()


@contextlib.asynccontextmanager
async def running_control_plane(
    database_url: str,
    folder: Path,
    clouds: Clouds | None = None,
    /,
    **settings: Any,
) -> AsyncIterator[ControlPlane]:
    """Run a control plane; an empty database is prepared.

    It does nothing by itself, see `look_after`, unless it is told how often. Pages carry out verbs in `clouds`.
    """
    clock = TestClock()
    defaults = {"maintenance_interval_seconds": 3600, "lease_minimum_seconds": 20}  # arrivals look as often, too
    server_settings = ServerSettings(
        database_url=database_url,
        app_key=SecretStr("a-signing-key-for-tests"),
        comfyui_fleet_secret=SecretStr(FLEET_SECRET),
        objects_folder=folder / "objects",
        **{**defaults, **settings},
    )
    if settings.keys().isdisjoint(_ASKED_AT_FIRST_START) and await is_empty(database_url):
        password = await plant(server_settings, _first_start)
    else:
        password = await _first_start(server_settings)
    wiring = wire(server_settings, clock)
    has_upkeep = "maintenance_interval_seconds" in settings
    server = uvicorn.Server(
        uvicorn.Config(
            create_site(wiring, has_upkeep=has_upkeep, clouds=clouds), port=0, log_level="warning", lifespan="on"
        )
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
        assert not serving.done(), serving.exception()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        key = await new_cli_key(wiring)
        yield ControlPlane(f"http://127.0.0.1:{port}", wiring, clock, key, password)
    finally:
        await wiring.notifier.stop()
        server.should_exit = True
        await serving
