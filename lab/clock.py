"""The lab's time: it goes forward in steps, and every rule is asked at each of them."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

STEP: Final = timedelta(seconds=5)
_TURN_SECONDS: Final = 0.1


class Clock:
    """Simulated time in UTC. With a `speed` it runs by itself, that many times as fast as real time."""

    def __init__(self, speed: float = 0) -> None:
        self._speed = speed
        self._now = datetime.now(UTC).replace(microsecond=0)
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.on_step: list[Callable[[datetime], None]] = []

    def now(self) -> datetime:
        """Return the simulated time."""
        return self._now

    def forward(self, *, minutes: float = 0, seconds: float = 0) -> None:
        """Go forward, a step of at most five seconds after the other; return when all rules have been asked."""
        with self._lock:
            end = self._now + timedelta(minutes=minutes, seconds=seconds)
            while self._now < end:
                self._now = min(self._now + STEP, end)
                for tell in self.on_step:
                    tell(self._now)

    def simulated(self, given: datetime) -> datetime:
        """Return what a client means by a time: such as lie nearer to real time than to ours are moved to ours."""
        at = given.replace(tzinfo=UTC) if given.tzinfo is None else given
        real, ours = datetime.now(UTC), self.now()
        return at if abs(at - ours) <= abs(at - real) else at + (ours - real)

    def on_machines(self, at: datetime) -> datetime:
        """Return when a simulated moment comes by the clock of programs, which know real time only.

        While time stands still, nothing says when it comes: then it is the simulated moment.
        """
        return at if self._speed <= 0 else datetime.now(UTC) + (at - self.now()) / self._speed

    def start(self) -> None:
        """Let time run, if it has a speed."""
        if self._speed > 0:
            self._thread = threading.Thread(target=self._run, name="lab-clock", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Let time stand still."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(10)

    def _run(self) -> None:
        before = time.monotonic()
        while not self._ended.wait(_TURN_SECONDS):
            after = time.monotonic()
            self.forward(seconds=(after - before) * self._speed)
            before = after
