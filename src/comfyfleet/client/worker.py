"""Typed client of the worker protocol. `docs/reference/worker-protocol.md` says what each answer asks of a worker."""

from typing import Any, Final, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from comfyfleet import names
from comfyfleet.client.errors import Unreachable
from comfyfleet.client.transport import data_of, unreachable
from comfyfleet.protocol import worker as wire

CALL_TIMEOUT_SECONDS: Final = 15.0

Answer = TypeVar("Answer", bound=BaseModel)


class WorkerApi:
    """The calls of one worker. `register` first: it gives the token that all other calls carry.

    Every call raises `Refused` when the control plane refuses and `Unreachable` when it does not answer.

    Args:
        http: A client for the control plane alone; the token goes into its requests, never into its defaults.
        base_url: Where the control plane answers, such as https://fleet.example.com.
    """

    def __init__(self, http: httpx.AsyncClient, base_url: str) -> None:
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._token: str | None = None

    @property
    def is_registered(self) -> bool:
        """Whether there is a token, which may have ended meanwhile."""
        return self._token is not None

    async def register(self, request: wire.RegisterRequest, fleet_secret: str) -> wire.Registration:
        """Join the fleet; from here on calls carry the new token."""
        headers = {names.FLEET_SECRET_HEADER: fleet_secret}
        registration = self._read(await self._post("register", request, headers), wire.Registration)
        self._token = registration.token
        return registration

    async def poll(self, request: wire.PollRequest) -> wire.Poll:
        """Ask for a job; the control plane may hold the call open for the request's `wait_seconds`."""
        timeout = CALL_TIMEOUT_SECONDS + request.wait_seconds
        return self._read(await self._call("poll", request, timeout=timeout), wire.Poll)

    async def heartbeat(self, request: wire.HeartbeatRequest) -> wire.Heartbeat:
        """Renew a lease."""
        return self._read(await self._call("heartbeat", request), wire.Heartbeat)

    async def complete(self, request: wire.CompleteRequest) -> wire.Completed:
        """End a job whose output was uploaded; the control plane looks at it first."""
        return self._read(await self._call("complete", request, timeout=4 * CALL_TIMEOUT_SECONDS), wire.Completed)

    async def fail(self, request: wire.FailRequest) -> wire.Failed:
        """End an attempt that failed."""
        return self._read(await self._call("fail", request), wire.Failed)

    async def requeue(self, request: wire.RequeueRequest) -> None:
        """Put a job back; the attempt is not counted."""
        await self._call("requeue", request)

    async def report(self, request: wire.ReportRequest) -> None:
        """Tell how the machine is; refused with 404 by a control plane that is older than this call."""
        await self._call("report", request)

    async def deregister(self, request: wire.DeregisterRequest) -> None:
        """Leave the fleet; the token ends."""
        await self._call("deregister", request)
        self._token = None

    async def _call(self, verb: str, body: BaseModel, *, timeout: float = CALL_TIMEOUT_SECONDS) -> Any:  # noqa: ASYNC109 - per call
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        return await self._post(verb, body, headers, timeout=timeout)

    async def _post(
        self,
        verb: str,
        body: BaseModel,
        headers: dict[str, str],
        *,
        timeout: float = CALL_TIMEOUT_SECONDS,  # noqa: ASYNC109 - httpx's own, as it tells connect from read
    ) -> Any:
        url = f"{self._base_url}/api/worker/{verb}"
        document = body.model_dump(mode="json", exclude_none=True)
        try:
            response = await self._http.post(url, json=document, headers=headers, timeout=timeout)
        except httpx.TransportError as error:
            raise unreachable(error, url) from error
        return data_of(response)

    def _read(self, data: Any, model: type[Answer]) -> Answer:
        try:
            return model.model_validate(data)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise Unreachable(
                f"{self._base_url} answered with no {model.__name__}: {where}: {first['msg']}.",
                hint="Do the versions of control plane and worker fit together?",
            ) from error
