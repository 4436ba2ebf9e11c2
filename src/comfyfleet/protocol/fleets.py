"""Wire models of what is done with a fleet, beyond those of `api`."""

from datetime import datetime

from pydantic import BaseModel, Field

from comfyfleet.protocol.api import Strict


class FleetName(Strict):
    """A fleet's name for people."""

    name: str = Field(max_length=300, pattern=r"^[^\x00]*$")


class FleetPointerView(BaseModel):
    """What machines are told of a fleet's bundle: what the database wants them to be told, and the parameter says.

    `found` is null while there is no parameter; `problem` tells why it cannot be read, or was not written.
    """

    fleet: str
    parameter: str
    wanted: str
    found: str | None
    agrees: bool
    written_at: datetime | None
    problem: str | None
