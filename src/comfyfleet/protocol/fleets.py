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


class MemberView(BaseModel):
    """A machine of a fleet's group. `lifecycle` and `health` are Auto Scaling's words."""

    instance_id: str
    lifecycle: str
    health: str
    is_protected: bool
    instance_type: str | None


class AlarmView(BaseModel):
    """An alarm that watches a fleet. `state` is `OK`, `ALARM` or `INSUFFICIENT_DATA`."""

    name: str
    state: str
    changed_at: datetime | None


class FleetMachinesView(BaseModel):
    """What the cloud says of a fleet's machines. `problem` tells why it says nothing; numbers are null then."""

    group: str
    exists: bool
    minimum: int | None
    maximum: int | None
    desired: int | None
    members: list[MemberView]
    image_parameter: str
    image: str | None
    alarms: list[AlarmView]
    at: datetime
    problem: str | None
