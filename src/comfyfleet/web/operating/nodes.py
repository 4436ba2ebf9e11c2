"""The dev nodes of a fleet, as the cloud last told them."""

import asyncio
from dataclasses import dataclass

from comfyfleet.core.errors import FleetError
from comfyfleet.ops import dev_gpu
from comfyfleet.ops.dev_gpu import DevNode
from comfyfleet.server.fleets.service import label
from comfyfleet.server.models import Fleet
from comfyfleet.web.operating.desk import Clouds


@dataclass(frozen=True)
class Nodes:
    """What was found; `problem` tells why nothing is known."""

    found: tuple[DevNode, ...] = ()
    problem: str | None = None


async def look(clouds: Clouds, fleet: Fleet) -> Nodes:
    """Ask the cloud."""
    try:
        all_of_them = await asyncio.to_thread(lambda: dev_gpu.dev_nodes(clouds(fleet.stage)))
    except FleetError as error:
        return Nodes(problem=str(error))
    return Nodes(tuple(node for node in all_of_them if node.fleet == label(fleet)))
