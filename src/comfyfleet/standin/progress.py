"""How far a prompt is, node by node, as its client is told."""

import time
from dataclasses import asdict, dataclass
from typing import Any, Final

from comfyfleet.standin.events import Send
from comfyfleet.standin.state import Prompt

_SECONDS_BETWEEN_REPORTS: Final = 0.05
"""A message a frame would be hundreds a second for small frames, and each names every node."""


@dataclass
class _NodeProgress:
    value: float = 0.0
    max: float = 1.0
    state: str = "running"


class Progress:
    """Sends `progress_state` at each step and `progress` while a node counts; nodes that wait are not named."""

    def __init__(self, prompt: Prompt, send: Send) -> None:
        self._prompt = prompt
        self._send = send
        self._nodes: dict[str, _NodeProgress] = {}
        self._reported_at = 0.0

    def start(self, node_id: str) -> None:
        """Say that a node runs."""
        self._nodes[node_id] = _NodeProgress()
        self._reported_at = time.monotonic()
        self._send_state()

    def report(self, node_id: str, value: int, maximum: int) -> None:
        """Say how far a running node is, unless that was said a moment ago."""
        node = self._nodes[node_id]
        node.value, node.max = float(value), float(maximum)
        if time.monotonic() - self._reported_at < _SECONDS_BETWEEN_REPORTS:
            return
        self._reported_at = time.monotonic()
        self._send_state()
        self.tell("progress", {"value": value, "max": maximum, "prompt_id": self._prompt.id, "node": node_id})

    def finish(self, node_id: str) -> None:
        """Say that a node has ended; a cached one ends without having run."""
        node = self._nodes.setdefault(node_id, _NodeProgress())
        node.value, node.state = node.max, "finished"
        self._send_state()

    def tell(self, type_: str, data: dict[str, Any]) -> None:
        """Send an event to the client that posted the prompt, and to nobody else."""
        if self._prompt.client_id is not None:
            self._send(type_, data, self._prompt.client_id)

    def _send_state(self) -> None:
        nodes = {
            node_id: {
                **asdict(node),
                "node_id": node_id,
                "prompt_id": self._prompt.id,
                "display_node_id": node_id,
                "parent_node_id": None,
                "real_node_id": node_id,
            }
            for node_id, node in self._nodes.items()
        }
        self.tell("progress_state", {"prompt_id": self._prompt.id, "nodes": nodes})
