"""Calls to the control plane that have to arrive, through outages and restarts of it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from comfyfleet.client.errors import Refused, Unreachable
from comfyfleet.worker.backoff import Backoff
from comfyfleet.worker.errors import LeaseLost

log = logging.getLogger(__name__)

T = TypeVar("T")

_LEASE_ENDED: Final = frozenset({401, 403, 404, 409, 410})
"""409 by the contract; the others say that this worker, or this dispatch, is not known any more."""


def is_passing(error: Refused) -> bool:
    """Tell whether a refusal may be another answer a moment later."""
    return error.status >= 500 or error.status in {408, 425, 429}


def as_lease_lost(error: Refused) -> LeaseLost | None:
    """Return a refusal of a call about leased work as the loss of the lease, or None when it is something else."""
    return LeaseLost(error.message, hint=error.hint) if error.status in _LEASE_ENDED else None


async def deliver(call: Callable[[], Awaitable[T]], *, patience_seconds: float) -> T:
    """Make a call about leased work, again and again while the control plane is away.

    Raises:
        LeaseLost: The job is no longer ours.
        Refused: For another reason, which will not pass.
        Unreachable: It was away for `patience_seconds`; the lease runs out by itself.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + patience_seconds
    backoff = Backoff(0.25, 5)
    while True:
        try:
            return await call()
        except Refused as error:
            if (lost := as_lease_lost(error)) is not None:
                raise lost from error
            if not is_passing(error) or clock() > deadline:
                raise
            log.warning("the control plane refused for now: %s", error.message)
        except Unreachable as error:
            if clock() > deadline:
                raise
            log.warning("%s", error.message)
        await asyncio.sleep(backoff.next_seconds())
