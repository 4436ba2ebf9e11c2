"""How far a prompt is, from the events that ComfyUI sends while it renders."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from comfyfleet.core.graphs import Graph
from comfyfleet.protocol.worker import Progress

_TERMINAL: Final = frozenset({"execution_success", "execution_error", "execution_interrupted"})


class Heard(StrEnum):
    """What an event means to whoever waits for the prompt."""

    NOTHING = "nothing"
    PROGRESS = "progress"
    END = "end"


class ProgressCounter:
    """Counts the nodes of one prompt. Events name only nodes that are not pending, so the total is the graph's."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._done: set[str] = set()
        self._fractions: dict[str, float] = {}
        self._current: str | None = None
        self._highest = 0.0

    def hear(self, event: Mapping[str, Any]) -> Heard:
        """Take one event of this prompt's client."""
        name, data = event.get("type"), event.get("data")
        if not isinstance(data, Mapping):
            return Heard.NOTHING
        if name in _TERMINAL or (name == "executing" and data.get("node") is None):
            return Heard.END
        before = self.progress
        self._count(str(name), data)
        return Heard.NOTHING if self.progress == before else Heard.PROGRESS

    @property
    def progress(self) -> Progress:
        """How far the prompt is; it never goes back."""
        partly = sum(fraction for node_id, fraction in self._fractions.items() if node_id not in self._done)
        self._highest = max(self._highest, min(1.0, (len(self._done) + partly) / len(self._graph)))
        node_type = self._graph.get(self._current, {}).get("class_type") if self._current else None
        return Progress(value=self._highest, node_id=self._current, node_type=node_type)

    def _count(self, name: str, data: Mapping[str, Any]) -> None:
        match name:
            case "execution_cached":
                self._done.update(self._known(node_id) for node_id in data.get("nodes") or [] if self._known(node_id))
            case "executing":
                self._current = self._known(data.get("display_node") or data.get("node"))
            case "executed":
                self._finish(self._known(data.get("node")))
            case "progress":
                self._advance(self._known(data.get("node")), data)
            case "progress_state":
                for node_id, state in (data.get("nodes") or {}).items():
                    self._take_state(self._known(node_id), state)

    def _take_state(self, node_id: str, state: Mapping[str, Any]) -> None:
        if state.get("state") == "finished":
            self._finish(node_id)
        else:
            self._advance(node_id, state)

    def _finish(self, node_id: str) -> None:
        if node_id:
            self._done.add(node_id)

    def _advance(self, node_id: str, counted: Mapping[str, Any]) -> None:
        value, maximum = counted.get("value"), counted.get("max")
        if node_id and isinstance(value, int | float) and isinstance(maximum, int | float) and maximum > 0:
            self._fractions[node_id] = min(1.0, max(0.0, value / maximum))

    def _known(self, node_id: object) -> str:
        """Return a node of the graph, or nothing: nodes that another one expands into are not counted."""
        return str(node_id) if node_id is not None and str(node_id) in self._graph else ""
