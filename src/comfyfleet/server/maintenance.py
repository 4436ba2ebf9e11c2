"""What the control plane does by itself.

It takes back lost leases, marks silent workers, writes down how fleets stand, and forgets old sessions and uploads.
"""

import asyncio
import logging
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from comfyfleet.core.errors import FleetError
from comfyfleet.server.assets import uploads as asset_uploads
from comfyfleet.server.auth import repository as sessions
from comfyfleet.server.fleets.pointers import write_pointers
from comfyfleet.server.jobs import leases
from comfyfleet.server.metrics.publishing import publish_samples
from comfyfleet.server.metrics.sampling import take_samples
from comfyfleet.server.metrics.wanted import note_wanted
from comfyfleet.server.operations import service as operations
from comfyfleet.server.uploads import parted
from comfyfleet.server.wiring import Wiring
from comfyfleet.server.workers import service as workers

log = logging.getLogger(__name__)


async def maintain_forever(wiring: Wiring) -> None:
    """Look after all of it until cancelled; a database or a storage that is away is no reason to stop."""
    while True:
        try:
            await maintain_once(wiring)
        except (SQLAlchemyError, FleetError, OSError) as error:
            log.warning("maintenance was cut short, trying again: %s", error)
        await asyncio.sleep(wiring.settings.maintenance_interval_seconds)


async def maintain_once(wiring: Wiring) -> int:
    """Look once; return how many jobs were taken back."""
    settings = wiring.settings
    async with wiring.sessions.begin() as session:
        rescued = await leases.rescue(session, wiring)
        await sessions.delete_expired_sessions(session, wiring.clock())
    # By itself: whoever holds a worker may want its jobs next, and would wait for this as this would for them.
    async with wiring.sessions.begin() as session:
        lost = await workers.mark_lost(session, wiring.clock() - timedelta(seconds=settings.worker_lost_seconds))
    async with wiring.sessions.begin() as session:
        given_up = await operations.give_up_silent(session, wiring.clock())
    async with wiring.sessions.begin() as session:
        await take_samples(session, wiring.clock(), keep=timedelta(days=settings.metrics_keep_days))
    await parted.abort_abandoned(wiring)
    if dropped := await asset_uploads.abort_abandoned(wiring):
        log.info("dropped %d uploads that nobody went on with", dropped)
    if given_up:
        log.warning("%d operations lost their process", given_up)
    if lost:
        log.warning("%d workers fell silent and count as lost", lost)
    if rescued:
        log.info("took back %d jobs whose leases ran out", rescued)
    return rescued


async def tell_forever(wiring: Wiring) -> None:
    """Keep the cloud told until cancelled, apart from all else: a cloud that is slow holds up nothing."""
    while True:
        try:
            await tell_once(wiring)
        except (SQLAlchemyError, FleetError, OSError) as error:
            log.warning("the cloud was not told how fleets stand, trying again: %s", error)
        await asyncio.sleep(wiring.settings.maintenance_interval_seconds)


async def tell_once(wiring: Wiring) -> None:
    """Write the pointers that changed, tell the samples taken since, and hear how many machines are wanted."""
    await write_pointers(wiring)
    await publish_samples(wiring)
    await note_wanted(wiring)
