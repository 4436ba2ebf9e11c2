"""What the cloud says of a fleet's machines: its group, its image, its alarms."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from comfyfleet import names
from comfyfleet.cloud.fleet_ports import Alarm, Group, Groups
from comfyfleet.core.errors import FleetError
from comfyfleet.server.fleets.service import label
from comfyfleet.server.models import Fleet
from comfyfleet.server.wiring import Wiring

_FRESH: Final = timedelta(seconds=10)


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


@dataclass
class MachinesBoard:
    """Keeps what the cloud last said of each fleet. A page never waits for the cloud: it shows what is known."""

    wiring: Wiring
    _known: dict[str, FleetMachines] = field(default_factory=dict)
    _asking: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    def show(self, fleet: Fleet) -> FleetMachines | None:
        """Return what is known, or None while nothing is; ask anew when that is older than some seconds."""
        name = label(fleet)
        known = self._known.get(name)
        is_stale = known is None or self.wiring.clock() - known.at > _FRESH
        if is_stale and self.wiring.groups is not None and name not in self._asking:
            task = self._asking[name] = asyncio.create_task(self._ask(fleet), name=f"machines of {name}")
            task.add_done_callback(lambda _: self._asking.pop(name, None))
        return known

    async def stop(self) -> None:
        """Ask no more."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, fleet: Fleet) -> None:
        found = await look(self.wiring, fleet)
        if found is not None:
            self._known[label(fleet)] = found
