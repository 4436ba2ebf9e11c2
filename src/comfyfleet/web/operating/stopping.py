"""How a verb that runs in a thread is asked to end."""

import threading
from collections.abc import Callable
from typing import Final

_SLICE_SECONDS: Final = 1.0


class Stop:
    """Ends a verb once, as Ctrl-C does: `KeyboardInterrupt` where it says or awaits something. It then clears up."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._is_told = False

    def ask(self) -> None:
        """Ask the verb to end; again is no more than once."""
        self._asked.set()

    @property
    def is_asked(self) -> bool:
        """Whether somebody has asked."""
        return self._asked.is_set()

    def check(self) -> None:
        """Raise `KeyboardInterrupt` the first time after somebody has asked."""
        if self._asked.is_set() and not self._is_told:
            self._is_told = True
            raise KeyboardInterrupt

    def within(self, sleep: Callable[[float], None]) -> Callable[[float], None]:
        """Return a `sleep` that looks every second whether somebody has asked."""

        def sleep_in_slices(seconds: float) -> None:
            self.check()
            while seconds > 0:
                sleep(min(seconds, _SLICE_SECONDS))
                seconds -= _SLICE_SECONDS
                self.check()

        return sleep_in_slices
