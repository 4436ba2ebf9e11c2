"""What the cloud says of a fleet's machines: its group, its image, its alarms."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from comfyfleet import names
from comfyfleet.cloud.fleet_ports import Alarm, Group, Groups
from comfyfleet.core.errors import FleetError
from comfyfleet.server.models import Fleet
from comfyfleet.server.wiring import Wiring


@dataclass(frozen=True)
class FleetMachines:
    """What was found at a moment; None is what there is not. `problem` tells why nothing is known."""

    group_name: str
    image_parameter: str
    at: datetime
    group: Group | None = None
    image: str | None = None
    alarms: tuple[Alarm, ...] = ()
    problem: str | None = None


async def look(wiring: Wiring, fleet: Fleet) -> FleetMachines | None:
    """Ask the cloud; return None where fleets have none."""
    groups = wiring.groups
    if groups is None:
        return None
    name = names.group_name(fleet.stage, fleet.slug)
    parameter = names.image_parameter(fleet.stage, fleet.slug, prefix=wiring.settings.name_prefix)
    at = wiring.clock()
    try:
        return await asyncio.to_thread(_read, wiring, groups, fleet, name, parameter, at)
    except FleetError as error:
        return FleetMachines(name, parameter, at, problem=str(error))


def _read(wiring: Wiring, groups: Groups, fleet: Fleet, name: str, parameter: str, at: datetime) -> FleetMachines:
    image = wiring.parameters.get(parameter)
    watching = (names.queue_has_jobs_alarm(fleet.stage, fleet.slug), names.queue_empty_alarm(fleet.stage, fleet.slug))
    alarms = tuple(wiring.figures.alarms(watching))
    return FleetMachines(name, parameter, at, groups.find(name), image.value if image else None, alarms)
