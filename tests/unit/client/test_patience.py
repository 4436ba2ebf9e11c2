from collections.abc import Callable

import pytest

from comfyfleet.client.errors import Refused, Unreachable
from comfyfleet.client.patience import patiently


def failing(times: int, error: Exception) -> Callable[[], int]:
    """Return a call that fails so often, and then tells how often it was made."""
    calls = 0

    def call() -> int:
        nonlocal calls
        calls += 1
        if calls <= times:
            raise error
        return calls

    return call


@pytest.mark.parametrize("error", [Unreachable("away"), Refused(503, "busy", ""), Refused(429, "many", "")])
def test_a_call_is_made_again_while_the_server_is_away(error: Exception) -> None:
    assert patiently(failing(3, error), pause_seconds=0) == 4


def test_what_the_server_refuses_is_told_at_once() -> None:
    with pytest.raises(Refused):
        patiently(failing(1, Refused(409, "conflict", "")), pause_seconds=0)


def test_patience_ends() -> None:
    with pytest.raises(Unreachable):
        patiently(failing(1, Unreachable("away")), seconds=0.1, pause_seconds=1)
