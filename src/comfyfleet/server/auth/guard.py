"""Slows down whoever guesses passwords."""

from collections import deque
from datetime import datetime, timedelta
from typing import Final

from comfyfleet.server.auth.principal import TooManyAttempts

_WINDOW: Final = timedelta(minutes=15)
_MAX_FAILURES: Final = 10
_MAX_NAMES: Final = 10_000


class SignInGuard:
    """Counts the wrong passwords for each name in this process; ten in fifteen minutes close the door for a while."""

    def __init__(self) -> None:
        self._failures: dict[str, deque[datetime]] = {}

    def check(self, email: str, now: datetime) -> None:
        """Raise `TooManyAttempts` when this name had too many failures lately."""
        failures = self._failures.get(email.lower())
        while failures and now - failures[0] > _WINDOW:
            failures.popleft()
        if failures and len(failures) >= _MAX_FAILURES:
            raise TooManyAttempts("Too many wrong passwords for this name.", hint="Try again in fifteen minutes.")

    def failed(self, email: str, now: datetime) -> None:
        """Record a wrong password."""
        if len(self._failures) >= _MAX_NAMES:
            self._failures.clear()
        self._failures.setdefault(email.lower(), deque(maxlen=_MAX_FAILURES)).append(now)

    def succeeded(self, email: str) -> None:
        """Forget the failures of a name."""
        self._failures.pop(email.lower(), None)
