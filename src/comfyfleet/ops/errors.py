"""What keeps an operator's verb from being done."""

from comfyfleet.core.errors import Conflict, Invalid, NotFound, Unavailable


class TargetInvalid(Invalid):
    """What a verb was told to work on has the wrong form, or is not for this verb."""

    code = "target_invalid"


class ImageUnknown(NotFound):
    """A fleet has no machine image, or it does not exist."""

    code = "image_unknown"


class MachineUnknown(NotFound):
    """There is no such machine, or it is gone."""

    code = "machine_unknown"


class WaitTimedOut(Unavailable):
    """Something in the cloud did not come about in time."""

    code = "wait_timed_out"


class StepFailed(Conflict):
    """A step of a verb failed on a machine, or in the cloud."""

    code = "step_failed"


class CanaryFailed(Conflict):
    """The first machine of a new image did not prove itself."""

    code = "canary_failed"


class RollUnsafe(Conflict):
    """The machines of a group cannot be replaced as things are."""

    code = "roll_unsafe"
