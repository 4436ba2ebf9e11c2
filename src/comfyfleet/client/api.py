"""The typed client of the JSON API, for the command line and for operators' programs. Synchronous."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from comfyfleet import __version__, names
from comfyfleet.client.connection import Connection
from comfyfleet.client.errors import Unreachable
from comfyfleet.client.events import parse_events
from comfyfleet.client.transfers import OnBytes, fetch_file, send_file
from comfyfleet.client.transport import data_of, unreachable
from comfyfleet.core.errors import Unavailable
from comfyfleet.core.jobs import JobStatus
from comfyfleet.protocol.api import (
    EffectView,
    FleetView,
    FleetWorkflows,
    JobEventView,
    JobView,
    KeyView,
    Me,
    NewEffect,
    NewFleet,
    NewJob,
    NewKey,
    NewKeyView,
    NewUpload,
    NewWorkflow,
    UploadTicket,
    WorkflowView,
)
from comfyfleet.protocol.envelope import Page
from comfyfleet.protocol.library import SignedPart, WantedParts
from comfyfleet.protocol.uploads import PartedUploadView

_CALL_TIMEOUT: Final = httpx.Timeout(60, connect=5)
_EVENTS_TIMEOUT: Final = httpx.Timeout(45, connect=5)
_PART_TIMEOUT: Final = httpx.Timeout(60, connect=10)
_TRANSFER_TIMEOUT: Final = httpx.Timeout(300, connect=10)
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_SUBMIT_TRIES: Final = 3

Wanted = TypeVar("Wanted")


class AnswerUnknown(Unavailable):
    """The server answered in a form that this version does not know."""

    code = "answer_unknown"


class ControlPlane:
    """One control plane, called with one API key. Close it, or use it as a context manager.

    Every method raises `Refused` when the server refuses, `Unreachable` when it does not answer and `AnswerUnknown`
    when its answer does not fit the wire models.
    """

    def __init__(self, connection: Connection) -> None:
        self.url: Final = connection.url.rstrip("/")
        agent = {"User-Agent": f"comfyfleet/{__version__}"}
        key = connection.api_key.get_secret_value()
        self._closing = ExitStack()
        self._http = self._closing.enter_context(
            httpx.Client(
                base_url=self.url,
                headers={**agent, "Authorization": f"Bearer {key}"},
                timeout=_CALL_TIMEOUT,
                # A proxy of the environment never leads to this machine's own loopback.
                trust_env=httpx.URL(self.url).host not in _LOOPBACK,
            )
        )
        # Signed URLs open by themselves, and S3 refuses a request that is also authorised by a header.
        self._storage = self._closing.enter_context(
            httpx.Client(headers=agent, timeout=_TRANSFER_TIMEOUT, trust_env=self._http.trust_env)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._closing.close()

    def me(self) -> Me:
        """Return who the key stands for, and its tenant's balance."""
        return self._get(Me, "/api/me")

    def effects(self) -> list[EffectView]:
        """Return the active effects."""
        return self._get(list[EffectView], "/api/effects")

    def effect(self, slug: str) -> EffectView:
        """Return one effect."""
        return self._get(EffectView, f"/api/effects/{_part(slug)}")

    def create_effect(self, effect: NewEffect) -> EffectView:
        """Make an effect."""
        return self._send(EffectView, "POST", "/api/effects", effect)

    def replace_effect(self, effect: NewEffect) -> EffectView:
        """Replace the effect of that slug."""
        return self._send(EffectView, "PUT", f"/api/effects/{_part(effect.slug)}", effect)

    def workflows(self) -> list[WorkflowView]:
        """Return all workflows."""
        return self._get(list[WorkflowView], "/api/workflows")

    def workflow(self, slug: str) -> WorkflowView:
        """Return one workflow."""
        return self._get(WorkflowView, f"/api/workflows/{_part(slug)}")

    def create_workflow(self, workflow: NewWorkflow) -> WorkflowView:
        """Import a workflow."""
        return self._send(WorkflowView, "POST", "/api/workflows", workflow)

    def replace_workflow(self, workflow: NewWorkflow) -> WorkflowView:
        """Replace the workflow of that slug; jobs from now on use the new graph."""
        return self._send(WorkflowView, "PUT", f"/api/workflows/{_part(workflow.slug)}", workflow)

    def fleets(self) -> list[FleetView]:
        """Return all fleets."""
        return self._get(list[FleetView], "/api/fleets")

    def create_fleet(self, fleet: NewFleet) -> FleetView:
        """Make a fleet."""
        return self._send(FleetView, "POST", "/api/fleets", fleet)

    def assign_workflows(self, stage: str, slug: str, workflows: list[str]) -> FleetView:
        """Make a fleet serve exactly these workflows."""
        path = f"/api/fleets/{_part(stage)}/{_part(slug)}/workflows"
        return self._send(FleetView, "PUT", path, FleetWorkflows(workflows=workflows))

    def upload(self, path: Path, content_type: str, on_bytes: OnBytes) -> str:
        """Upload a file and return the upload's id, which a job's values refer to."""
        size = path.stat().st_size
        new = NewUpload(filename=path.name, content_type=content_type, size=size)
        ticket = self._send(UploadTicket, "POST", "/api/uploads", new)
        send_file(self._storage, ticket, path, size, on_bytes)
        return ticket.upload_id

    def begin_in_parts(self, new: NewUpload) -> PartedUploadView:
        """Begin an upload that comes in parts; see `uploads.upload`."""
        return self._send(PartedUploadView, "POST", "/api/uploads/parted", new)

    def sign_upload_parts(self, upload_id: str, numbers: list[int]) -> list[SignedPart]:
        """Return where parts of an upload are PUT to."""
        path = f"/api/uploads/parted/{_part(upload_id)}/parts"
        return self._send(list[SignedPart], "POST", path, WantedParts(numbers=numbers))

    def complete_in_parts(self, upload_id: str) -> PartedUploadView:
        """Say that all parts were sent."""
        return self._send(PartedUploadView, "POST", f"/api/uploads/parted/{_part(upload_id)}/complete")

    def drop_upload(self, upload_id: str) -> None:
        """Drop an upload in parts that is not complete."""
        self._call("DELETE", f"/api/uploads/parted/{_part(upload_id)}")

    def put_part(self, part: SignedPart, content: Iterable[bytes]) -> httpx.Response:
        """PUT a part to its signed URL, which opens by itself. Safe to call from several threads.

        Raises:
            httpx.TransportError: The connection failed, or nothing moved for a minute.
        """
        headers = {**part.headers, "Content-Length": str(part.size)}
        return self._storage.put(part.url, headers=headers, content=content, timeout=_PART_TIMEOUT)

    def download(self, url: str, target: Path, on_bytes: OnBytes) -> None:
        """Download a signed URL, such as a job's `output_url`, into a file that appears when it is whole."""
        fetch_file(self._storage, url, target, on_bytes)

    def submit(self, job: NewJob, idempotency_key: str) -> JobView:
        """Submit a job; the key makes it safe to try again when the answer was lost."""
        headers = {names.IDEMPOTENCY_HEADER: idempotency_key}
        for _ in range(_SUBMIT_TRIES - 1):
            try:
                return self._send(JobView, "POST", "/api/jobs", job, headers=headers)
            except Unreachable:
                continue
        return self._send(JobView, "POST", "/api/jobs", job, headers=headers)

    def jobs(
        self, *, status: JobStatus | None = None, before: int | None = None, limit: int | None = None
    ) -> Page[JobView]:
        """Return a page of the tenant's jobs, newest first."""
        return self._get(Page[JobView], "/api/jobs", status=status, before=before, limit=limit)

    def job(self, job_id: int) -> JobView:
        """Return one job."""
        return self._get(JobView, f"/api/jobs/{job_id}")

    def timeline(self, job_id: int) -> list[JobEventView]:
        """Return what happened to a job, oldest first."""
        return self._get(list[JobEventView], f"/api/jobs/{job_id}/timeline")

    def job_events(self, job_id: int) -> Iterator[JobView]:
        """Yield the job at once and at each change, until it ends or the stream does; see `following.follow`."""
        path = f"/api/jobs/{job_id}/events"
        try:
            with self._http.stream("GET", path, timeout=_EVENTS_TIMEOUT) as response:
                if not response.is_success:
                    response.read()
                    data_of(response)
                for event in parse_events(response.iter_lines()):
                    if event.event == "job":
                        yield _parse_json(JobView, event.data)
        except httpx.HTTPError as error:
            raise unreachable(error, self.url) from error

    def cancel(self, job_id: int) -> JobView:
        """Ask for a job to be stopped; one that runs stops a little later."""
        return self._send(JobView, "POST", f"/api/jobs/{job_id}/cancel")

    def keys(self, tenant: str | None = None) -> list[KeyView]:
        """Return the API keys of the caller's tenant, or of another one for an administrator."""
        return self._get(list[KeyView], "/api/keys", tenant=tenant)

    def create_key(self, key: NewKey, tenant: str | None = None) -> NewKeyView:
        """Make an API key; the answer holds its token, which is shown this once."""
        return self._send(NewKeyView, "POST", "/api/keys", key, tenant=tenant)

    def revoke_key(self, key_id: str, tenant: str | None = None) -> None:
        """End an API key."""
        self._call("DELETE", f"/api/keys/{_part(key_id)}", params=_given(tenant=tenant))

    def _get(self, wanted: type[Wanted], path: str, **query: str | int | list[str] | None) -> Wanted:
        return _parse(wanted, self._call("GET", path, params=_given(**query)))

    def _send(
        self,
        wanted: type[Wanted],
        method: str,
        path: str,
        body: BaseModel | None = None,
        *,
        headers: dict[str, str] | None = None,
        **query: str | None,
    ) -> Wanted:
        # In a change, what is left out stays as it is, and null can mean something of its own.
        json = None if body is None else body.model_dump(mode="json", exclude_unset=method == "PATCH")
        return _parse(wanted, self._call(method, path, json=json, headers=headers, params=_given(**query)))

    def _call(self, method: str, path: str, **parts: Any) -> Any:
        try:
            response = self._http.request(method, path, **parts)
        except httpx.HTTPError as error:
            raise unreachable(error, self.url) from error
        return data_of(response)


def _part(slug: str) -> str:
    return quote(slug, safe="")


def _given(**query: str | int | list[str] | None) -> dict[str, str | int | list[str]]:
    return {name: value for name, value in query.items() if value is not None}


def _parse(wanted: type[Wanted], data: object) -> Wanted:
    try:
        return TypeAdapter(wanted).validate_python(data)
    except ValidationError as error:
        raise _unknown(error) from error


def _parse_json(wanted: type[Wanted], data: str) -> Wanted:
    try:
        return TypeAdapter(wanted).validate_json(data)
    except ValidationError as error:
        raise _unknown(error) from error


def _unknown(error: ValidationError) -> AnswerUnknown:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "the answer"
    return AnswerUnknown(
        f"The server's answer is not understood: {where}: {first['msg']}.",
        hint="Use the same version of comfyfleet on both sides.",
    )
