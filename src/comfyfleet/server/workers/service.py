"""The verbs of workers: they join, are known by their tokens, and leave."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.errors import Forbidden, NotFound
from comfyfleet.core.secrets import WORKER_TOKEN_PREFIX, FleetSecretWrong, hash_token, new_token, same_secret
from comfyfleet.core.workers import WorkerStatus
from comfyfleet.protocol.worker import RegisterRequest
from comfyfleet.server import db
from comfyfleet.server.fleets import service as fleets
from comfyfleet.server.models import Worker
from comfyfleet.server.notifier import worker_topic
from comfyfleet.server.settings import ServerSettings
from comfyfleet.server.workers import refusal_repository, repository


class WorkerTokenInvalid(Forbidden):
    """The bearer token stands for no worker."""

    code = "worker_token_invalid"


class WorkerNotFound(NotFound):
    """No worker has this id."""

    code = "worker_not_found"


class WorkerRevoked(Forbidden):
    """An operator keeps this worker out."""

    code = "worker_revoked"


class WrongWorker(Forbidden):
    """A worker spoke in the name of another."""

    code = "wrong_worker"


def check_fleet_secret(settings: ServerSettings, shown: str | None) -> None:
    """Raise `FleetSecretWrong` unless the right secret was shown."""
    if shown is None or not same_secret(shown, settings.comfyui_fleet_secret.get_secret_value()):
        raise FleetSecretWrong(
            "The fleet secret is wrong.", hint="Compare the worker's FLEET_SECRET with the control plane's."
        )


async def register(session: AsyncSession, request: RegisterRequest, *, stage: str, now: datetime) -> tuple[Worker, str]:
    """Record a worker under a new token; the token that it had before ends. Return it with the token.

    Raises:
        FleetNotFound: There is no such fleet.
        WorkerRevoked: An operator keeps it out.
    """
    fleet = await fleets.find(session, request.stage or stage, request.fleet_slug)
    known = await repository.by_worker_id(session, request.worker_id)
    if known is not None and known.status == WorkerStatus.REVOKED:
        raise WorkerRevoked(
            f"The worker '{request.worker_id}' was revoked.",
            hint=f"An operator can let it register again: comfyfleet workers restore {request.worker_id}.",
        )
    worker = known or Worker(worker_id=request.worker_id)
    token = new_token(WORKER_TOKEN_PREFIX)
    worker.fleet_id = fleet.id
    worker.token_hash = hash_token(token)
    worker.status = WorkerStatus.ACTIVE
    worker.registration_source = request.registration_source
    worker.display_name = request.display_name
    worker.capabilities = request.capabilities
    worker.max_concurrency = request.max_concurrency
    worker.capacity_type = request.capacity_type
    worker.instance_type = request.instance_type
    worker.registered_at = worker.last_seen_at = now
    worker.deregistered_at = None
    await repository.save(session, worker)
    await refusal_repository.forget(session, worker.worker_id)
    await db.publish(session, worker_topic(worker.id))
    return worker, token


async def hold(session: AsyncSession, worker_id: str) -> Worker:
    """Return a worker that nobody else changes before the transaction ends; raise `WorkerNotFound`."""
    worker = await repository.by_worker_id(session, worker_id)
    if worker is None:
        raise not_found(worker_id)
    return worker


def not_found(worker_id: str) -> WorkerNotFound:
    """Return the error for a worker that nobody knows."""
    return WorkerNotFound(
        f"There is no worker '{worker_id[:128]}'.", hint="List them with `comfyfleet workers list --all`."
    )


async def authenticate(session: AsyncSession, token: str | None, now: datetime) -> Worker:
    """Return the worker that a token stands for, and note that it was heard of."""
    worker = await repository.by_token_hash(session, hash_token(token)) if token else None
    if worker is None:
        raise WorkerTokenInvalid("This token stands for no worker.", hint="Register again.")
    was_lost = worker.status == WorkerStatus.LOST
    await repository.touch(session, worker, now)
    if was_lost:
        await db.publish(session, worker_topic(worker.id))
    return worker


async def deregister(session: AsyncSession, worker: Worker, now: datetime) -> None:
    """Let a worker go; its token ends."""
    await end_token(session, worker, WorkerStatus.DEREGISTERED, now)


async def end_token(session: AsyncSession, worker: Worker, status: WorkerStatus, now: datetime) -> None:
    """End a worker's token, after which it is in a state without one."""
    worker.status = status
    worker.token_hash = None
    worker.deregistered_at = now
    await session.flush()
    await db.publish(session, worker_topic(worker.id))


async def mark_lost(session: AsyncSession, silent_since: datetime) -> int:
    """Mark as lost whoever was last heard of before `silent_since`; return how many."""
    lost = await repository.mark_lost(session, silent_since)
    for worker_id in lost:
        await db.publish(session, worker_topic(worker_id))
    return len(lost)
