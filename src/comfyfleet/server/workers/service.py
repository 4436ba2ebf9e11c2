"""The verbs of workers."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from comfyfleet.core.errors import Forbidden
from comfyfleet.core.secrets import WORKER_TOKEN_PREFIX, FleetSecretWrong, hash_token, new_token, same_secret
from comfyfleet.protocol.worker import RegisterRequest
from comfyfleet.server.fleets import service as fleets
from comfyfleet.server.models import Worker
from comfyfleet.server.settings import ServerSettings
from comfyfleet.server.workers import repository


class WorkerTokenInvalid(Forbidden):
    """The bearer token stands for no worker."""

    code = "worker_token_invalid"


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
    """Record a worker under a new token; the token that it had before ends. Return it with the token."""
    fleet = await fleets.find(session, request.stage or stage, request.fleet_slug)
    known = await repository.by_worker_id(session, request.worker_id)
    worker = known or Worker(worker_id=request.worker_id)
    token = new_token(WORKER_TOKEN_PREFIX)
    worker.fleet_id = fleet.id
    worker.token_hash = hash_token(token)
    worker.status = "active"
    worker.registration_source = request.registration_source
    worker.display_name = request.display_name
    worker.capabilities = request.capabilities
    worker.max_concurrency = request.max_concurrency
    worker.capacity_type = request.capacity_type
    worker.instance_type = request.instance_type
    worker.registered_at = worker.last_seen_at = now
    worker.deregistered_at = None
    await repository.save(session, worker)
    return worker, token


async def authenticate(session: AsyncSession, token: str | None, now: datetime) -> Worker:
    """Return the worker that a token stands for, and note that it was heard of."""
    worker = await repository.by_token_hash(session, hash_token(token)) if token else None
    if worker is None:
        raise WorkerTokenInvalid("This token stands for no worker.", hint="Register again.")
    await repository.touch(session, worker, now)
    return worker


def deregister(worker: Worker, now: datetime) -> None:
    """Let a worker go; its token ends."""
    worker.status = "deregistered"
    worker.token_hash = None
    worker.deregistered_at = now
