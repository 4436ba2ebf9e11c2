"""Operations: verbs on machines in a cloud that the control plane carries out for an operator, one after a plan."""

from datetime import timedelta
from enum import StrEnum
from typing import Final

SILENT: Final = timedelta(seconds=60)
"""An operation tells that it lives every few seconds; one that says nothing for so long has lost its process."""

MAX_LOG_CHARACTERS: Final = 2_000_000
"""What is kept of one operation's log; installers say much, and the logs bucket has all of it."""


LOGS_KEPT: Final = 100
"""Of so many operations of a fleet the logs are kept; that they were, and how they ended, stays."""


class OperationKind(StrEnum):
    """What an operation does, named as acts of the audit are."""

    LAUNCH = "devnode.launch"
    STOP = "devnode.stop"
    APPLY = "bundle.apply"
    BAKE = "fleet.bake"
    ROLL = "fleet.roll"


class OperationStatus(StrEnum):
    """Life of an operation. An interrupted one lost the process that carried it out."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    INTERRUPTED = "interrupted"

    @property
    def is_over(self) -> bool:
        """Whether nothing comes any more."""
        return self is not OperationStatus.RUNNING


class LineKind(StrEnum):
    """What a piece of an operation's log is: that something begins, or what a machine printed."""

    STEP = "step"
    OUTPUT = "output"


_AFTER_INTERRUPTION: Final = {
    OperationKind.LAUNCH: "Its machine may be there: look at the fleet's dev nodes, and stop it. It ends by itself when"
    " its hours are over.",
    OperationKind.STOP: "Look at the fleet's dev nodes, and stop it again.",
    OperationKind.APPLY: "The applier goes on by itself on the machine; apply the bundle again to see how it ended.",
    OperationKind.BAKE: "The parameter is as it was. Its machine halts by itself, and the next bake ends what is left.",
    OperationKind.ROLL: "AWS goes on with the roll by itself, and nobody waits for the proof of the first machine:"
    " see how far it is, and roll again.",
}


def after_cancel(kind: OperationKind, asked_by: str | None) -> str:
    """Return what became of an operation that somebody canceled, or its process when it was told to end."""
    by = f" by {asked_by}" if asked_by else ""
    if kind is OperationKind.ROLL:
        return f"It was canceled{by}: taken back, unless its first machine had proved itself; then AWS goes on with it."
    return f"It was canceled{by}, and has cleared up."


def after_interruption(kind: OperationKind) -> str:
    """Return what an operator has to know and do when an operation lost its process."""
    return f"The control plane that carried it out ended. {_AFTER_INTERRUPTION[kind]}"
