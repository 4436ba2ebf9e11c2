"""What can go wrong when a bundle comes onto a machine."""

from comfyfleet.core.errors import Conflict, Invalid, NotFound, Unavailable


class SourceUnavailable(Unavailable):
    """The store does not answer, breaks off, or stalls."""

    code = "source_unavailable"


class SourceRefused(Unavailable):
    """The store does not let us read."""

    code = "source_refused"


class ObjectMissing(NotFound):
    """The store lacks an object that the manifest names."""

    code = "object_missing"


class WrongBytes(Invalid):
    """The store gave other bytes than the manifest promises."""

    code = "wrong_bytes"


class DiskFull(Unavailable):
    """The disk has not enough room."""

    code = "disk_full"


class DiskRefuses(Unavailable):
    """The disk or its permissions do not let us write."""

    code = "disk_refuses"


class ApplyRunning(Conflict):
    """Another command works on this machine's bundle."""

    code = "apply_running"


class RequirementsFailed(Unavailable):
    """The packages of custom nodes could not be installed."""

    code = "requirements_failed"


class RestartFailed(Unavailable):
    """ComfyUI could not be started again."""

    code = "restart_failed"


class NothingInstalled(NotFound):
    """No bundle of ours is on this machine."""

    code = "nothing_installed"


class NothingBefore(NotFound):
    """There is no bundle to go back to."""

    code = "nothing_before"


class StateInvalid(Conflict):
    """The files that tell what is installed do not make sense."""

    code = "state_invalid"
