"""The thread that works: takes prompts from the queue, one at a time, so that the API stays responsive."""

import logging
import threading
from typing import Final

from comfyfleet.standin.events import Events
from comfyfleet.standin.executor import Executor
from comfyfleet.standin.state import Outcome, Prompt, State

logger = logging.getLogger(__name__)

_SECONDS_TO_STOP: Final = 30.0


class Runner:
    """Runs prompts from `start` until `stop`."""

    def __init__(self, state: State, executor: Executor, events: Events) -> None:
        self._state = state
        self._executor = executor
        self._events = events
        # A daemon, so that a node which hangs in C code cannot keep the process from ending.
        self._thread = threading.Thread(target=self._work, name="standin-runner", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self) -> None:
        """Interrupt what runs, leave what waits, and wait for the thread to end."""
        self._state.close()
        self._thread.join(_SECONDS_TO_STOP)

    def _work(self) -> None:
        while (work := self._state.take()) is not None:
            if work.prompt is None:
                self._executor.cache.clear()
            else:
                self._run(work.prompt)

    def _run(self, prompt: Prompt) -> None:
        try:
            outcome = self._executor.run(prompt)
        except Exception:
            # Our own fault and not a node's; without this the thread would end and every later prompt wait for ever.
            logger.exception("The prompt %s broke the stand-in", prompt.id)
            outcome = Outcome({}, {}, is_success=False, messages=[])
        self._state.finish(prompt, outcome)
        if prompt.client_id is not None:
            self._events.send("executing", {"node": None, "prompt_id": prompt.id}, prompt.client_id)
