"""How the control plane stands."""

from comfyfleet import __version__
from comfyfleet.protocol.system import SystemView
from comfyfleet.server.system.effective import groups_of
from comfyfleet.server.system.health import health
from comfyfleet.server.wiring import Wiring


async def describe(wiring: Wiring) -> SystemView:
    """Return version, settings without secrets, and the health of what the control plane depends on."""
    return SystemView(
        version=__version__,
        stage=wiring.settings.stage,
        health=await health(wiring),
        groups=groups_of(wiring.settings),
    )
