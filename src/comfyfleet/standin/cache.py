"""What nodes gave in the last prompt, found again by what led to it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from comfyfleet.core.graphs import Graph
from comfyfleet.standin.folders import Folders, OutsideFolder
from comfyfleet.standin.nodes.spec import Node, Result
from comfyfleet.standin.values import Frames


@dataclass(frozen=True)
class _Signer:
    """Signs nodes: the same class with the same inputs from the same ancestors has the same signature."""

    graph: Graph
    catalogue: Mapping[str, Node]
    folders: Folders
    signatures: dict[str, str]

    def sign(self, node_id: str) -> str:
        if node_id not in self.signatures:
            class_type, inputs = self.graph[node_id]["class_type"], self.graph[node_id]["inputs"]
            node = self.catalogue[class_type]
            parents = {name: [self.sign(source), slot] for name, (source, slot) in node.links(inputs).items()}
            files = {one.name: _file_state(self.folders, str(inputs.get(one.name))) for one in node.inputs if one.file}
            values = {name: value for name, value in inputs.items() if name not in parents}
            text = json.dumps([class_type, parents, files, values], sort_keys=True)
            self.signatures[node_id] = hashlib.sha256(text.encode()).hexdigest()
        return self.signatures[node_id]


def _file_state(folders: Folders, name: str) -> list[int]:
    """Tell one state of a file from the next; a file that is not there has the state `[]`."""
    try:
        stat = folders.named(name).stat()
    except (OSError, OutsideFolder):
        return []
    return [stat.st_mtime_ns, stat.st_size]


class Cache:
    """Holds the results of the last prompt's nodes, like ComfyUI's: the next prompt keeps what it shares with it."""

    def __init__(self, catalogue: Mapping[str, Node], folders: Folders) -> None:
        self._catalogue = catalogue
        self._folders = folders
        self._results: dict[str, Result] = {}
        self._signatures: dict[str, str] = {}

    def begin(self, graph: Graph, outputs: list[str]) -> None:
        """Turn to another prompt: sign what its outputs need, forget every result that it does not share."""
        self._signatures = {}
        signer = _Signer(graph, self._catalogue, self._folders, self._signatures)
        for output in outputs:
            signer.sign(output)
        wanted = set(self._signatures.values())
        self._results = {signature: result for signature, result in self._results.items() if signature in wanted}

    def get(self, node_id: str) -> Result | None:
        """Return what a node of the present prompt gave."""
        return self._results.get(self._signatures.get(node_id, ""))

    def put(self, node_id: str, result: Result) -> None:
        """Keep what a node of the present prompt gave."""
        self._results[self._signatures[node_id]] = result

    def clear(self) -> None:
        """Forget everything."""
        self._results.clear()

    def held_bytes(self) -> int:
        """Return what the held frames take; frames that several nodes pass along count once."""
        values = (value for result in self._results.values() for value in result.values)
        held = {id(value): value.nbytes for value in values if isinstance(value, Frames) and value.is_held}
        return sum(held.values())
