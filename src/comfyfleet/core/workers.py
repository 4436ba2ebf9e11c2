"""Workers: their states, and what an operator may do to one in each of them."""

import re
from enum import StrEnum
from typing import Final

from comfyfleet.core.errors import Conflict


class WorkerStatus(StrEnum):
    """Active ones get jobs; draining ones finish theirs; revoked ones are kept out until an operator restores them."""

    ACTIVE = "active"
    DRAINING = "draining"
    LOST = "lost"
    DEREGISTERED = "deregistered"
    REVOKED = "revoked"

    @property
    def is_here(self) -> bool:
        """Whether the worker is in its fleet, as far as is known."""
        return self in {WorkerStatus.ACTIVE, WorkerStatus.DRAINING}


class WorkerAct(StrEnum):
    """What an operator does to a worker."""

    DRAIN = "drain"
    ACTIVATE = "activate"
    REVOKE = "revoke"
    RESTORE = "restore"


class WorkerActRefused(Conflict):
    """What an operator wants of a worker makes no sense in the state that it is in."""

    code = "worker_act_refused"


_AFTER: Final = {
    WorkerAct.DRAIN: {
        WorkerStatus.ACTIVE: WorkerStatus.DRAINING,
        WorkerStatus.DRAINING: WorkerStatus.DRAINING,
        WorkerStatus.LOST: WorkerStatus.DRAINING,
    },
    WorkerAct.ACTIVATE: {
        WorkerStatus.ACTIVE: WorkerStatus.ACTIVE,
        WorkerStatus.DRAINING: WorkerStatus.ACTIVE,
    },
    WorkerAct.REVOKE: dict.fromkeys(WorkerStatus, WorkerStatus.REVOKED),
    WorkerAct.RESTORE: {
        WorkerStatus.REVOKED: WorkerStatus.DEREGISTERED,
    },
}
_HINTS: Final = {
    WorkerStatus.ACTIVE: "It gets jobs already.",
    WorkerStatus.DRAINING: "Activate it, and it gets jobs again.",
    WorkerStatus.LOST: "It is active again as soon as it is heard of.",
    WorkerStatus.DEREGISTERED: "It has left; start it on its machine, and it registers.",
    WorkerStatus.REVOKED: "Restore it first, and it may register again.",
}


_PLACE_AND_ALLOCATOR: Final = re.compile(r"^\w+:\d+ | : \w+$")


def gpu_name(told: str) -> str:
    """Return a GPU's own name: ComfyUI tells `cuda:0 NVIDIA A10G : cudaMallocAsync`."""
    return _PLACE_AND_ALLOCATOR.sub("", told) or told


def acts_in(status: WorkerStatus) -> list[WorkerAct]:
    """Return what an operator can do to a worker in a state, beyond leaving it as it is."""
    return [act for act, after in _AFTER.items() if after.get(status, status) is not status]


def status_after(act: WorkerAct, status: WorkerStatus) -> WorkerStatus:
    """Return what an act makes of a worker, the same where it is so already; raise `WorkerActRefused`."""
    after = _AFTER[act].get(status)
    if after is None:
        raise WorkerActRefused(f"A worker that is {status} cannot be told to {act}.", hint=_HINTS[status])
    return after
