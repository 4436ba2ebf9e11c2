"""A control plane and its storage as one small program that does what a test says and remembers what it was told."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

Json = dict[str, Any]

FLEET_SECRET: Final = "a-fleet-secret-for-tests"
SIGNATURE: Final = "signature-that-nobody-may-log"
_WAIT_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Call:
    """One call of the worker protocol."""

    verb: str
    body: Json


@dataclass(frozen=True)
class Stored:
    """What was PUT."""

    content: bytes
    headers: dict[str, str]


@dataclass
class Plane:
    """Set `is_away`, `is_canceled`, `is_lost`, `report_refusal` and `put_failures` to make trouble."""

    url: str = ""
    tokens: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    waiting: list[Json] = field(default_factory=list)
    inputs: dict[str, bytes] = field(default_factory=dict)
    outputs: dict[str, Stored] = field(default_factory=dict)
    storage_credentials: list[str] = field(default_factory=list)
    is_away: bool = False
    is_canceled: bool = False
    is_lost: bool = False
    report_refusal: tuple[int, str] | None = None
    put_failures: int = 0
    turned_away: int = 0
    next_id: int = 1

    def offer(self, graph: Json, node_id: str, extension: str = "png", mime_type: str = "image/png") -> Json:
        """Queue a job; return it as it will be leased, to be changed at will before a worker asks."""
        job_id, self.next_id = self.next_id, self.next_id + 1
        job: Json = {
            "dispatch_id": job_id,
            "lease_token": f"lease-{job_id}-that-nobody-may-log",
            "lease_expires_at": (datetime.now(UTC) + timedelta(seconds=40)).isoformat(),
            "tenant_id": "t",
            "job_id": job_id,
            "effect_id": 1,
            "attempt": 1,
            "output_url": f"{self.url}/storage/out-{job_id}?X-Signature={SIGNATURE}",
            "output_headers": {"Content-Type": mime_type, "X-Promised": "yes"},
            "input_payload": {
                "workflow": graph,
                "output_node_id": node_id,
                "output_extension": extension,
                "output_mime_type": mime_type,
                "assets": [],
            },
        }
        self.waiting.append(job)
        return job

    def attach(self, job: Json, placeholder: str, filename: str, content: bytes, **changes: Any) -> None:
        """Give a job a file."""
        key = f"in-{job['job_id']}-{len(job['input_payload']['assets'])}"
        self.inputs[key] = content
        asset = {
            "key": f"file_{len(self.inputs)}",
            "type": "image",
            "placeholder": placeholder,
            "is_primary_input": True,
            "download_url": f"{self.url}/storage/{key}?X-Signature={SIGNATURE}",
            "content_hash": hashlib.sha256(content).hexdigest(),
            "filename": filename,
            "size": len(content),
        }
        job["input_payload"]["assets"].append({**asset, **changes})

    def of(self, verb: str) -> list[Json]:
        """Return the bodies of all calls of a verb."""
        return [call.body for call in self.calls if call.verb == verb]

    async def told(self, verb: str, count: int = 1) -> Json:
        """Wait until a verb was called so often; return the last body."""
        await until(lambda: len(self.of(verb)) >= count, f"{count} times {verb}, only: {[c.verb for c in self.calls]}")
        return self.of(verb)[count - 1]

    async def protocol(self, request: Request) -> Response:
        """Answer a call of the worker protocol."""
        verb, body = request.path_params["verb"], await request.json()
        if self.is_away:
            self.turned_away += 1
            return PlainTextResponse("the gateway finds nobody", 502)
        if verb == "register":
            if request.headers.get("X-Fleet-Secret") != FLEET_SECRET:
                return _refusal(401, "fleet_secret_wrong")
            self.tokens.append(f"token-{len(self.tokens)}-that-nobody-may-log")
        elif request.headers.get("Authorization") != f"Bearer {self.tokens[-1] if self.tokens else ''}":
            return _refusal(401, "worker_token_invalid")
        self.calls.append(Call(verb, body))
        if verb in {"heartbeat", "complete", "fail", "requeue"} and self.is_lost:
            return _refusal(409, "lease_lost")
        if verb == "report" and self.report_refusal is not None:
            return _refusal(*self.report_refusal)
        answer = await self._poll(request, body) if verb == "poll" else self._answer(verb, body)
        return JSONResponse({"data": answer, "message": "ok"})

    async def storage(self, request: Request) -> Response:
        """Give an input, or take an output."""
        self.storage_credentials += [value for name, value in request.headers.items() if name == "authorization"]
        key = request.path_params["key"]
        if request.query_params.get("X-Signature") != SIGNATURE:
            return PlainTextResponse("", 403)
        if request.method == "GET":
            return Response(self.inputs[key]) if key in self.inputs else PlainTextResponse("", 404)
        content = await request.body()
        if self.put_failures > 0:
            self.put_failures -= 1
            return PlainTextResponse("slow down", 503)
        self.outputs[key] = Stored(content, dict(request.headers))
        return PlainTextResponse("", 201)

    async def _poll(self, request: Request, body: Json) -> Json:
        deadline = asyncio.get_running_loop().time() + body.get("wait_seconds", 0)
        while not self.waiting and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)
            if self.is_away or await request.is_disconnected():
                return {"job": None}
        return {"job": self.waiting.pop(0) if self.waiting else None}

    def _answer(self, verb: str, body: Json) -> object:
        match verb:
            case "register":
                return {
                    "worker_id": body["worker_id"],
                    "token": self.tokens[-1],
                    "workflows_assigned": ["w"],
                    "fleet_slug": body["fleet_slug"],
                    "stage": body["stage"],
                }
            case "heartbeat":
                expires_at = datetime.now(UTC) + timedelta(seconds=40)
                return {"lease_expires_at": expires_at.isoformat(), "cancel_requested": self.is_canceled}
            case "complete":
                return {"job_id": body["dispatch_id"]}
            case "fail":
                return {"dispatch_id": body["dispatch_id"]}
            case _:
                return None


@contextlib.asynccontextmanager
async def running_plane() -> AsyncIterator[Plane]:
    """Run a control plane on a free port."""
    plane = Plane()
    routes = [
        Route("/api/worker/{verb}", plane.protocol, methods=["POST"]),
        Route("/storage/{key}", plane.storage, methods=["GET", "PUT"]),
    ]
    async with serving(Starlette(routes=routes)) as url:
        plane.url = url
        yield plane


@contextlib.asynccontextmanager
async def serving(app: Starlette) -> AsyncIterator[str]:
    """Serve an app on a free port; yield its URL."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", ws="none", timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started or task.done(), "a server")
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


async def until(is_so: Callable[[], bool], what: str, seconds: float = _WAIT_SECONDS) -> None:
    """Look until something is so; fail when it is not for too long."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not is_so():
        assert asyncio.get_running_loop().time() < deadline, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(0.01)


def _refusal(status: int, code: str) -> JSONResponse:
    error = {"kind": "forbidden", "code": code, "hint": "A hint."}
    return JSONResponse({"data": None, "message": f"Refused: {code}.", "error": error}, status)
