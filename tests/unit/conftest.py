"""A control plane that answers what a test tells it to, over real HTTP."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from pydantic import BaseModel

from comfyfleet.core.jobs import JobStatus
from comfyfleet.core.properties import PropertyType
from comfyfleet.protocol.api import (
    ConfigurableProperty,
    EffectView,
    JobErrorView,
    JobView,
    UploadTicket,
)

NOW = datetime(2026, 2, 20, 12, 34, 56, tzinfo=UTC)


@dataclass(frozen=True)
class Received:
    """A request as it arrived."""

    method: str
    path: str
    pairs: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes

    @property
    def query(self) -> dict[str, str]:
        """What was asked for, by name; of a name that came several times the last."""
        return dict(self.pairs)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    content_type: str = "application/json"
    length: int | None = None


@dataclass
class FakePlane:
    """Tell it what to answer with `says`, `refuses` and `gives`; the last answer of a path is repeated."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answers: dict[tuple[str, str], list[Answer]] = field(default_factory=dict)

    def says(self, method: str, path: str, data: object, status: int = 200) -> None:
        body = json.dumps({"data": plain(data), "message": "ok"}).encode()
        self.answers.setdefault((method, path), []).append(Answer(status, body))

    def refuses(self, method: str, path: str, status: int, code: str, message: str, hint: str = "") -> None:
        error = {"kind": "invalid", "code": code, "hint": hint}
        body = json.dumps({"data": None, "message": message, "error": error}).encode()
        self.answers.setdefault((method, path), []).append(Answer(status, body))

    def gives(
        self,
        method: str,
        path: str,
        body: bytes,
        *,
        status: int = 200,
        content_type: str = "",
        length: int | None = None,
    ) -> None:
        self.answers.setdefault((method, path), []).append(Answer(status, body, content_type, length))

    def streams(self, job_id: int, *jobs: JobView) -> None:
        events = "".join(f"event: job\ndata: {job.model_dump_json()}\n\n: keep-alive\n\n" for job in jobs)
        self.gives("GET", f"/api/jobs/{job_id}/events", events.encode(), content_type="text/event-stream")

    def has_upload(self, upload_id: str = "upload-1") -> None:
        ticket = UploadTicket(
            upload_id=upload_id,
            put_url=f"{self.url}/objects/{upload_id}?signature=s",
            headers={"Content-Type": "video/mp4"},
            expires_at=NOW,
        )
        self.says("POST", "/api/uploads", ticket, status=201)
        self.gives("PUT", f"/objects/{upload_id}", b"")

    def has_effect(self) -> EffectView:
        effect = EffectView(
            id=1,
            name="Caption",
            slug="caption",
            description="",
            credits_cost=3,
            preview_url=None,
            output_mime_type="video/mp4",
            configurable_properties=[
                prop("clip", PropertyType.VIDEO, required=True, is_primary_input=True),
                prop("prompt", PropertyType.TEXT, required=True),
                prop("size", PropertyType.NUMBER, default=12, minimum=1, maximum=50),
                prop("outline", PropertyType.BOOLEAN, default=True),
                prop("position", PropertyType.CHOICE, default="top", choices=["top", "bottom"]),
                prop("seed", PropertyType.SEED),
                prop("mask", PropertyType.IMAGE),
            ],
        )
        self.says("GET", "/api/effects/caption", effect)
        return effect

    def job(self, status: JobStatus = JobStatus.QUEUED, **changes: Any) -> JobView:
        job = JobView(
            id=17,
            effect="caption",
            effect_name="Caption",
            status=status,
            values={},
            priority=0,
            attempt=1,
            max_attempts=3,
            progress=0,
            progress_node=None,
            credits_cost=3,
            cancel_requested=False,
            error=None,
            output_url=f"{self.url}/objects/out.mp4?signature=t" if status is JobStatus.COMPLETED else None,
            output_size=None,
            output_mime_type="video/mp4",
            created_at=NOW,
            queued_at=NOW,
            leased_at=None,
            started_at=None,
            finished_at=NOW if status.is_final else None,
        )
        return job.model_copy(update=changes)

    def failed_job(self) -> JobView:
        error = JobErrorView(message="Not enough memory", node_id="9", node_type="KSampler")
        return self.job(JobStatus.FAILED, error=error)

    def of(self, method: str, path: str) -> list[Received]:
        return [request for request in self.received if (request.method, request.path) == (method, path)]


def prop(key: str, kind: PropertyType, **changes: Any) -> ConfigurableProperty:
    blank = ConfigurableProperty(
        key=key,
        type=kind,
        label="",
        help="",
        default=None,
        minimum=None,
        maximum=None,
        choices=[],
        required=False,
        is_primary_input=False,
    )
    return blank.model_copy(update=changes)


def plain(data: object) -> object:
    if isinstance(data, BaseModel):
        return data.model_dump(mode="json")
    return [plain(item) for item in data] if isinstance(data, list) else data


@pytest.fixture
def fake_plane() -> Iterator[FakePlane]:
    """A fake control plane on a free port of this machine."""
    plane = FakePlane()

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            plane.received.append(Received(self.command, parts.path, parse_qsl(parts.query), headers, body))
            answers = plane.answers.get((self.command, parts.path), [])
            missing = Answer(501, f"the test answers nothing to {self.command} {parts.path}".encode())
            answer = missing if not answers else answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type or "application/octet-stream")
            self.send_header("Content-Length", str(len(answer.body) if answer.length is None else answer.length))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815 - the names that http.server calls

        def log_message(self, *_parts: object) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    plane.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield plane
    server.shutdown()
    thread.join()
    server.server_close()
