"""What a cloud refuses, or cannot do now."""

from comfyfleet.core.errors import Conflict, Invalid, NotFound, Unavailable


class NoCapacity(Unavailable):
    """None of the machine types can be had now."""

    code = "no_capacity"


class MachineUnreachable(Unavailable):
    """A machine does not exist, or its agent does not answer."""

    code = "machine_unreachable"


class GroupNotFound(NotFound):
    """There is no such group of machines."""

    code = "group_not_found"


class CapacityInvalid(Invalid):
    """A group cannot have that many machines."""

    code = "capacity_invalid"


class RollRunning(Conflict):
    """The machines of a group are being replaced already."""

    code = "roll_running"


class GateInUse(Conflict):
    """A machine still has this way in."""

    code = "gate_in_use"
