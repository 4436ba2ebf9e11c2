"""How many machines each fleet was told to have, written beside the samples that were taken just before."""

import asyncio
import logging
from datetime import timedelta
from typing import Final

from comfyfleet import names
from comfyfleet.core.errors import FleetError
from comfyfleet.server.metrics import sample_repository as repository
from comfyfleet.server.wiring import Wiring

log = logging.getLogger(__name__)

FRESH: Final = timedelta(seconds=20)
"""Of an older sample nobody can say any more how many machines were wanted when it was taken."""


async def note_wanted(wiring: Wiring) -> int:
    """Ask the cloud for the groups of this stage's fresh samples, and note what it says; return of how many samples.

    A fleet without a group, or a cloud that does not answer, leaves the samples as they are.
    """
    groups = wiring.groups
    if groups is None:
        return 0
    stage, since, noted = wiring.settings.stage, wiring.clock() - FRESH, 0
    async with wiring.sessions.begin() as session:
        fleets = await repository.without_wanted(session, stage, since)
    for fleet_id, slug in fleets:
        try:
            group = await asyncio.to_thread(groups.find, names.group_name(stage, slug))
        except FleetError as error:
            log.warning("how many machines %s was told to have is not known: %s", slug, error)
            return noted
        if group is not None:
            async with wiring.sessions.begin() as session:
                noted += await repository.note_wanted(session, fleet_id, since, group.desired)
    return noted
