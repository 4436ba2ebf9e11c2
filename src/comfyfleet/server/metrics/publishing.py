"""Telling the cloud how fleets stand, so that its alarms can wake them and bring them back to zero."""

import asyncio
from datetime import timedelta
from typing import Final

from comfyfleet import names
from comfyfleet.core.errors import FleetError
from comfyfleet.core.scaling import figures_of
from comfyfleet.server.metrics import publishing_repository as repository
from comfyfleet.server.wiring import Wiring

STILL_TOLD: Final = timedelta(minutes=15)
"""What is older when the cloud answers again tells nobody anything."""


async def publish_samples(wiring: Wiring) -> int:
    """Tell the samples of this stage's fleets that were not told yet; return how many.

    A sample is claimed before it is told, so that several control planes never tell one twice; when telling fails it is
    given back for the next time.

    Raises:
        FleetError: The cloud does not take figures now; nothing is lost.
    """
    now = wiring.clock()
    async with wiring.sessions.begin() as session:
        samples = await repository.claim(session, wiring.settings.stage, now, since=now - STILL_TOLD)
        stands = [(sample, await repository.stand_at(session, sample)) for sample in samples]
    for index, (sample, stand) in enumerate(stands):
        figures = {name.value: value for name, value in figures_of(stand).items()}
        dimensions = {names.FLEET_DIMENSION: sample.slug}
        try:
            await asyncio.to_thread(wiring.figures.put, names.METRICS_NAMESPACE, dimensions, figures, sample.at)
        except FleetError:
            async with wiring.sessions.begin() as session:
                await repository.give_back(session, samples[index:])
            raise
    return len(stands)
