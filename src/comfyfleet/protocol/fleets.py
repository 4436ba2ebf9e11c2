"""Wire models of what is done with a fleet, beyond those of `api`."""

from pydantic import Field

from comfyfleet.protocol.api import Strict


class FleetName(Strict):
    """A fleet's name for people."""

    name: str = Field(max_length=300, pattern=r"^[^\x00]*$")
