"""The parameters by which machines learn to which bundle their fleet points. The database is the truth."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime

from comfyfleet import names
from comfyfleet.core.errors import FleetError
from comfyfleet.server.audit import service as audit
from comfyfleet.server.auth.principal import Principal
from comfyfleet.server.fleets import repository
from comfyfleet.server.fleets.service import find, label
from comfyfleet.server.models import Fleet
from comfyfleet.server.wiring import Wiring

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PointerState:
    """What the database says of a fleet's pointer, and what the parameter says; None if there is no parameter.

    `problem` tells why the parameter cannot be read, or could not be written.
    """

    fleet: str
    parameter: str
    wanted: str
    found: str | None
    written_at: datetime | None
    problem: str | None

    @property
    def agrees(self) -> bool:
        """Whether machines are told what the database says."""
        return self.found == self.wanted


def wanted_value(fleet: Fleet) -> str:
    """Return what a fleet's parameter has to hold."""
    return fleet.active_bundle_s3_prefix or names.NO_BUNDLE


def parameter_of(wiring: Wiring, fleet: Fleet) -> str:
    """Return the name of a fleet's parameter."""
    return names.active_bundle_parameter(fleet.stage, fleet.slug, prefix=wiring.settings.name_prefix)


def as_written(wiring: Wiring, fleet: Fleet) -> PointerState:
    """Return what was last written, without asking whether somebody changed it since."""
    name, wanted = parameter_of(wiring, fleet), wanted_value(fleet)
    return PointerState(label(fleet), name, wanted, fleet.pointer_value, fleet.pointer_written_at, fleet.pointer_error)


async def write_pointers(wiring: Wiring) -> int:
    """Write the parameters of this stage's fleets that hold something else than they should; return how many.

    What is written is read from the database before and compared again at the next look, so that of two activations at
    once the last one wins in both places.
    """
    async with wiring.sessions.begin() as session:
        stale = await repository.with_stale_pointers(session, wiring.settings.stage, names.NO_BUNDLE)
    for fleet in stale:
        await _write(wiring, fleet)
    return len(stale)


async def mend(wiring: Wiring, principal: Principal, stage: str, slug: str) -> PointerState:
    """Write a fleet's parameter again, whatever it holds."""
    async with wiring.sessions.begin() as session:
        fleet = await find(session, stage, slug)
        await audit.record(session, principal, "fleet.pointer", label(fleet), {"value": wanted_value(fleet)})
    await _write(wiring, fleet)
    return await look(wiring, stage, slug)


async def look(wiring: Wiring, stage: str, slug: str) -> PointerState:
    """Compare database and parameter."""
    async with wiring.sessions.begin() as session:
        fleet = await find(session, stage, slug)
    name, found, problem = parameter_of(wiring, fleet), None, fleet.pointer_error
    try:
        parameter = await asyncio.to_thread(wiring.parameters.get, name)
        found = None if parameter is None else parameter.value
    except FleetError as error:
        problem = str(error)
    return PointerState(label(fleet), name, wanted_value(fleet), found, fleet.pointer_written_at, problem)


async def _write(wiring: Wiring, fleet: Fleet) -> None:
    value, problem = wanted_value(fleet), None
    try:
        await asyncio.to_thread(wiring.parameters.put, parameter_of(wiring, fleet), value)
    except FleetError as error:
        log.warning("the pointer of %s was not written: %s", label(fleet), error)
        problem = str(error)
    async with wiring.sessions.begin() as session:
        await repository.note_pointer(session, fleet.id, value, wiring.clock(), problem)
