"""Workers that were not let in, so that operators hear of them: the last one of each fleet.

Who asks has proved nothing, so one line a fleet is all that is kept.
"""

import logging

from sqlalchemy.exc import SQLAlchemyError

from comfyfleet.core.errors import FleetError, Forbidden
from comfyfleet.protocol.worker import RegisterRequest
from comfyfleet.server.fleets import repository as fleets
from comfyfleet.server.wiring import Wiring
from comfyfleet.server.workers import refusal_repository as repository

log = logging.getLogger(__name__)


async def note(wiring: Wiring, request: RegisterRequest, error: FleetError) -> None:
    """Say that a worker was not let in, and keep it when the worker is the reason. Opens a transaction of its own."""
    log.warning("the worker %s was not let in: %s", request.worker_id, error)
    if not isinstance(error, Forbidden):
        return
    try:
        async with wiring.sessions.begin() as session:
            fleet = await fleets.by_slug(session, request.stage or wiring.settings.stage, request.fleet_slug)
            if fleet is not None:
                now = wiring.clock()
                await repository.keep(session, fleet.id, request.worker_id, error.message, error.hint, now)
    except SQLAlchemyError as trouble:
        log.warning("that it was not let in could not be kept: %s", trouble)
