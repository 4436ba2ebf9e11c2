"""Pauses that grow, with jitter, so that a fleet does not come back all at once."""

import random


class Backoff:
    """Gives pauses: about `first_seconds`, then twice that, up to `longest_seconds`."""

    def __init__(self, first_seconds: float = 1.0, longest_seconds: float = 30.0) -> None:
        self._first = first_seconds
        self._longest = longest_seconds
        self._next = first_seconds

    def next_seconds(self) -> float:
        """Return the next pause: between half of it and all of it."""
        pause = min(self._next, self._longest)
        self._next = min(self._next * 2, self._longest)
        return pause * random.uniform(0.5, 1.0)  # noqa: S311 - nothing secret

    def reset(self) -> None:
        """Start again from the first pause."""
        self._next = self._first
