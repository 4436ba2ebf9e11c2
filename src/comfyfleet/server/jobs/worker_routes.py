"""The worker protocol over HTTP. `docs/reference/worker-protocol.md` says what a worker must do with each answer."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request

from comfyfleet import names
from comfyfleet.core.errors import FleetError
from comfyfleet.protocol import worker as wire
from comfyfleet.protocol.envelope import Envelope
from comfyfleet.server.auth.dependencies import Transaction, WiringDep, absolute
from comfyfleet.server.fleets import repository as fleets
from comfyfleet.server.fleets import service as fleet_service
from comfyfleet.server.jobs import leases
from comfyfleet.server.jobs.leased import leased_job
from comfyfleet.server.models import Worker
from comfyfleet.server.notifier import fleet_topic, wait_for
from comfyfleet.server.wiring import Wiring
from comfyfleet.server.workers import refusals
from comfyfleet.server.workers import service as workers
from comfyfleet.server.workers.identity import check_identity
from comfyfleet.server.workers.reporting import record_report

router = APIRouter(prefix="/api/worker", tags=["worker protocol"])


def bearer(authorization: Annotated[str, Header()] = "") -> str | None:
    """Return the bearer token of a request."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


Bearer = Annotated[str | None, Depends(bearer)]


async def authenticated(session: Transaction, wiring: WiringDep, token: Bearer) -> Worker:
    """Return the worker that calls, in the request's own transaction."""
    return await workers.authenticate(session, token, wiring.clock())


Caller = Annotated[Worker, Depends(authenticated)]


@router.post("/register")
async def register(
    body: wire.RegisterRequest,
    session: Transaction,
    wiring: WiringDep,
    fleet_secret: Annotated[str | None, Header(alias=names.FLEET_SECRET_HEADER)] = None,
) -> Envelope[wire.Registration]:
    """Let a worker join its fleet. What it held before is put back without counting the attempt."""
    try:
        workers.check_fleet_secret(wiring.settings, fleet_secret)
        await check_identity(wiring, body)
    except FleetError as error:
        await refusals.note(wiring, body, error)
        raise
    now = wiring.clock()
    worker, token = await workers.register(session, body, stage=wiring.settings.stage, now=now)
    await leases.put_back_all(session, worker, "The worker registered again.", now)
    fleet = await fleet_service.find(session, body.stage or wiring.settings.stage, body.fleet_slug)
    return Envelope(
        data=wire.Registration(
            worker_id=worker.worker_id,
            token=token,
            workflows_assigned=await fleets.workflows_of(session, fleet.id),
            fleet_slug=fleet.slug,
            stage=fleet.stage,
        )
    )


@router.post("/poll")
async def poll(body: wire.PollRequest, request: Request, wiring: WiringDep, token: Bearer) -> Envelope[wire.Poll]:
    """Lease a job, waiting for one as long as the worker allows. No transaction is open while it waits."""
    async with wiring.sessions.begin() as session:
        worker = await workers.authenticate(session, token, wiring.clock())
        if worker.worker_id != body.worker_id:
            raise workers.WrongWorker("The token stands for another worker.", hint="Register again.")
        if body.capabilities is not None:
            worker.capabilities = {**worker.capabilities, **body.capabilities}
    if body.current_load >= body.max_concurrency:
        return Envelope(data=wire.Poll(is_draining=worker.status == "draining"))
    seconds = min(body.wait_seconds, wiring.settings.poll_max_wait_seconds)
    return Envelope(data=await _wait_for_job(request, wiring, token, body, worker.fleet_id, seconds))


async def _wait_for_job(
    request: Request, wiring: Wiring, token: str | None, body: wire.PollRequest, fleet_id: int, seconds: float
) -> wire.Poll:
    deadline = asyncio.get_running_loop().time() + seconds
    with wiring.notifier.subscription(fleet_topic(fleet_id)) as changed:
        while True:
            changed.clear()
            answer, pause = await _try_lease(request, wiring, token, body)
            left = deadline - asyncio.get_running_loop().time()
            if answer.job is not None or answer.is_draining or left <= 0 or wiring.notifier.is_stopped:
                return answer
            await wait_for(changed, min(left, pause))
            if await request.is_disconnected():
                return wire.Poll()


async def _try_lease(
    request: Request, wiring: Wiring, token: str | None, body: wire.PollRequest
) -> tuple[wire.Poll, float]:
    """Return a leased job, or none and after how many seconds to look again without having been woken."""
    async with wiring.sessions.begin() as session:
        worker = await workers.authenticate(session, token, wiring.clock())
        leased = await leases.lease(session, wiring, worker, body.max_concurrency)
        if leased is None:
            pause = await leases.seconds_until_available(session, wiring, worker.fleet_id)
            return wire.Poll(is_draining=worker.status == "draining"), pause
        job, lease_token = leased
        return wire.Poll(job=leased_job(wiring, job, lease_token, lambda url: absolute(request, url))), 0


@router.post("/heartbeat")
async def heartbeat(
    body: wire.HeartbeatRequest, worker: Caller, session: Transaction, wiring: WiringDep
) -> Envelope[wire.Heartbeat]:
    """Renew a lease."""
    return Envelope(data=await leases.heartbeat(session, wiring, worker, body))


@router.post("/complete")
async def complete(body: wire.CompleteRequest, wiring: WiringDep, token: Bearer) -> Envelope[wire.Completed]:
    """End a job whose output was uploaded."""
    async with wiring.sessions.begin() as session:
        worker = await workers.authenticate(session, token, wiring.clock())
    return Envelope(data=wire.Completed(job_id=await leases.complete(wiring, worker, body)))


@router.post("/fail")
async def fail(
    body: wire.FailRequest, worker: Caller, session: Transaction, wiring: WiringDep
) -> Envelope[wire.Failed]:
    """End an attempt that failed."""
    await leases.fail(session, wiring, worker, body)
    return Envelope(data=wire.Failed(dispatch_id=body.dispatch_id))


@router.post("/requeue")
async def requeue(body: wire.RequeueRequest, worker: Caller, session: Transaction, wiring: WiringDep) -> Envelope[None]:
    """Put a job back."""
    await leases.requeue(session, wiring, worker, body)
    return Envelope(data=None, message="Put back.")


@router.post("/report")
async def report(body: wire.ReportRequest, worker: Caller, session: Transaction, wiring: WiringDep) -> Envelope[None]:
    """Take what a worker tells of its machine and from its log."""
    await record_report(session, worker, body, wiring.clock())
    return Envelope(data=None, message="Noted.")


@router.post("/deregister")
async def deregister(
    body: wire.DeregisterRequest, worker: Caller, session: Transaction, wiring: WiringDep
) -> Envelope[None]:
    """Let a worker go; what it holds is put back."""
    now = wiring.clock()
    await leases.put_back_all(session, worker, body.reason or "The worker left.", now)
    await workers.deregister(session, worker, now)
    return Envelope(data=None, message="Goodbye.")
