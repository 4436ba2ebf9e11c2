"""What waits, what runs, and what has been: all of it in memory, and gone with the process, as in ComfyUI."""

import copy
import heapq
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from comfyfleet.core.graphs import Graph

_LONGEST_HISTORY: Final = 10_000


@dataclass(frozen=True, order=True)
class Prompt:
    """A prompt that was taken. The lowest number runs first; among equals the first that came."""

    number: float
    arrival: int
    id: str = field(compare=False)
    graph: Graph = field(compare=False)
    extra_data: dict[str, Any] = field(compare=False)
    outputs: list[str] = field(compare=False)

    @property
    def client_id(self) -> str | None:
        """Who hears of its execution."""
        client_id = self.extra_data.get("client_id")
        return client_id if isinstance(client_id, str) else None

    def entry(self) -> list[Any]:
        """Return the five values by which queue and history show a prompt."""
        return [self.number, self.id, self.graph, self.extra_data, self.outputs]


@dataclass(frozen=True)
class Outcome:
    """How a prompt ended."""

    outputs: dict[str, Any]
    meta: dict[str, Any]
    is_success: bool
    messages: list[tuple[str, dict[str, Any]]]

    def entry(self, prompt: Prompt) -> dict[str, Any]:
        """Return the history entry."""
        status = {
            "status_str": "success" if self.is_success else "error",
            "completed": self.is_success,
            "messages": [list(message) for message in self.messages],
        }
        return {"prompt": prompt.entry(), "outputs": self.outputs, "status": status, "meta": self.meta}


@dataclass(frozen=True)
class Work:
    """What the runner is to do next: a prompt, or to forget what it has cached."""

    prompt: Prompt | None = None
    forget: bool = False


class State:
    """Queue and history, shared by the API's thread and the runner's.

    Args:
        changed: Called with the number of unfinished prompts whenever that may have changed.
    """

    def __init__(self, changed: Callable[[int], None]) -> None:
        self._changed = changed
        self._lock = threading.Condition()
        self._arrivals = itertools.count()
        self._numbers = itertools.count()
        self._waiting: list[Prompt] = []
        self._running: Prompt | None = None
        self._history: dict[str, dict[str, Any]] = {}
        self._interrupted = threading.Event()
        self._forget = False
        self._closed = False

    def next_number(self) -> int:
        """Return the number of the next prompt; each prompt takes one, be it good or not."""
        return next(self._numbers)

    def put(self, number: float, prompt_id: str, graph: Graph, extra_data: dict[str, Any], outputs: list[str]) -> None:
        """Add a prompt. An id that is known already is no reason not to."""
        with self._lock:
            prompt = Prompt(number, next(self._arrivals), prompt_id, graph, extra_data, outputs)
            heapq.heappush(self._waiting, prompt)
            self._notify()

    def take(self) -> Work | None:
        """Wait for work and return it; None once the state is closed."""
        with self._lock:
            self._lock.wait_for(lambda: self._waiting or self._forget or self._closed)
            if self._closed:
                return None
            if self._forget:
                self._forget = False
                return Work(forget=True)
            self._interrupted.clear()
            self._running = heapq.heappop(self._waiting)
            self._notify()
            return Work(self._running)

    def finish(self, prompt: Prompt, outcome: Outcome) -> None:
        """Move the running prompt into the history."""
        with self._lock:
            self._running = None
            self._history.pop(prompt.id, None)
            self._history[prompt.id] = outcome.entry(prompt)
            if len(self._history) > _LONGEST_HISTORY:
                del self._history[next(iter(self._history))]
            self._notify()

    def close(self) -> None:
        """End the runner: interrupt what runs and give out nothing more."""
        with self._lock:
            self._closed = True
            self._interrupted.set()
            self._lock.notify_all()

    def interrupt(self, prompt_id: str | None = None) -> None:
        """Interrupt what runs, or only this prompt if it is the one that runs."""
        with self._lock:
            if self._running and prompt_id in {None, self._running.id}:
                self._interrupted.set()

    def is_interrupted(self) -> bool:
        """Tell whether what runs is to end."""
        return self._interrupted.is_set()

    def forget(self) -> None:
        """Have the runner drop its cache as soon as it is free."""
        with self._lock:
            self._forget = True
            self._lock.notify_all()

    def remaining(self) -> int:
        """Return how many prompts run or wait."""
        with self._lock:
            return self._remaining()

    def queue(self) -> tuple[list[Prompt], list[Prompt]]:
        """Return what runs and what waits, in the order of execution."""
        with self._lock:
            return [self._running] if self._running else [], sorted(self._waiting)

    def delete_waiting(self, prompt_id: str) -> None:
        """Take one waiting prompt out of the queue; it leaves no trace."""
        with self._lock:
            for prompt in self._waiting:
                if prompt.id == prompt_id:
                    self._waiting.remove(prompt)
                    heapq.heapify(self._waiting)
                    self._notify()
                    return

    def clear_waiting(self) -> None:
        """Take all waiting prompts out of the queue."""
        with self._lock:
            self._waiting.clear()
            self._notify()

    def history(self, *, max_items: int | None = None, offset: int = -1) -> dict[str, dict[str, Any]]:
        """Return the history, oldest first: all of it, or `max_items` from `offset`, or the last `max_items`."""
        with self._lock:
            if max_items is not None and offset < 0:
                offset = len(self._history) - max_items
            start = max(offset, 0)
            stop = None if max_items is None else start + max(max_items, 0)
            return dict(itertools.islice(self._history.items(), start, stop))

    def past(self, prompt_id: str) -> dict[str, Any] | None:
        """Return one prompt's history entry, or None."""
        with self._lock:
            return copy.deepcopy(self._history.get(prompt_id))

    def delete_past(self, prompt_id: str) -> None:
        """Drop one prompt from the history."""
        with self._lock:
            self._history.pop(prompt_id, None)

    def clear_history(self) -> None:
        """Drop the history."""
        with self._lock:
            self._history.clear()

    def _remaining(self) -> int:
        return len(self._waiting) + (self._running is not None)

    def _notify(self) -> None:
        self._lock.notify_all()
        self._changed(self._remaining())
