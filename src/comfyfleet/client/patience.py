"""Waits for a control plane that is away for a moment: restarted, updated, or behind a network that was cut."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

from comfyfleet.client.errors import Refused, Unreachable

Answer = TypeVar("Answer")

_TOO_MANY: Final = 429


def may_pass(error: Refused | Unreachable) -> bool:
    """Tell whether the same call may succeed a little later."""
    return isinstance(error, Unreachable) or error.status >= 500 or error.status == _TOO_MANY


def patiently(call: Callable[[], Answer], *, seconds: float = 60, pause_seconds: float = 1) -> Answer:
    """Return what a call returns that can be made twice; make it again while the server is away.

    Raises:
        Unreachable: The server was away for `seconds`.
        Refused: It refused, or had too much to do for `seconds`.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            return call()
        except (Refused, Unreachable) as error:
            if not may_pass(error) or time.monotonic() + pause_seconds > until:
                raise
        time.sleep(pause_seconds)
