"""Executes one prompt: node after node, from the cache where it can, telling the client as ComfyUI does."""

import logging
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from comfyfleet.standin.cache import Cache
from comfyfleet.standin.events import Send
from comfyfleet.standin.folders import Folders
from comfyfleet.standin.nodes.spec import Context, Interrupted, Node, Result
from comfyfleet.standin.progress import Progress
from comfyfleet.standin.state import Outcome, Prompt
from comfyfleet.standin.values import Frames

logger = logging.getLogger(__name__)


class NeedsModel(RuntimeError):
    """The stand-in knows this class of node but has no model to run it with."""


class Executor:
    """Runs prompts one at a time and remembers the last one's results.

    Args:
        send: Takes the events.
        is_interrupted: Tells whether the running prompt is to end; asked before each node and each frame.
        memory_budget: How many bytes of frames are held for the nodes to come; see `_held`.
    """

    def __init__(
        self,
        catalogue: Mapping[str, Node],
        folders: Folders,
        send: Send,
        is_interrupted: Callable[[], bool],
        memory_budget: int,
    ) -> None:
        self.catalogue = catalogue
        self.folders = folders
        self.send = send
        self.is_interrupted = is_interrupted
        self.memory_budget = memory_budget
        self.cache = Cache(catalogue, folders)

    def run(self, prompt: Prompt) -> Outcome:
        """Execute a prompt to its end; a node that fails is an outcome and no exception."""
        return _Run(self, prompt).run()


class _Run:
    """One execution of one prompt."""

    def __init__(self, executor: Executor, prompt: Prompt) -> None:
        self._executor = executor
        self._cache = executor.cache
        self._prompt = prompt
        self._graph = prompt.graph
        self._progress = Progress(prompt, executor.send)
        self._messages: list[tuple[str, dict[str, Any]]] = []
        self._executed: list[str] = []
        self._outputs: dict[str, Any] = {}

    def run(self) -> Outcome:
        self._note("execution_start", {"prompt_id": self._prompt.id})
        self._cache.begin(self._graph, self._prompt.outputs)
        cached = [node_id for node_id in self._graph if self._cache.get(node_id)]
        self._note("execution_cached", {"nodes": cached, "prompt_id": self._prompt.id})
        is_success = all(self._step(node_id) for node_id in self._needed(cached))
        if is_success:
            self._note("execution_success", {"prompt_id": self._prompt.id})
        meta = {
            node_id: {"node_id": node_id, "display_node": node_id, "parent_node": None, "real_node_id": node_id}
            for node_id in self._outputs
        }
        return Outcome(self._outputs, meta, is_success, self._messages)

    def _step(self, node_id: str) -> bool:
        """Bring one node to its end and tell whether the prompt can go on."""
        if cached := self._cache.get(node_id):
            self._give_out(node_id, cached)
            self._progress.finish(node_id)
            return True
        self._progress.start(node_id)
        about = {"node": node_id, "display_node": node_id, "prompt_id": self._prompt.id}
        self._progress.tell("executing", about)
        inputs: dict[str, Any] = {}
        try:
            inputs = self._inputs(node_id)
            result = self._execute(node_id, inputs)
        except Interrupted:
            self._note_end("execution_interrupted", node_id, {})
            return False
        except Exception as failure:
            # A node may fail in any way, and the prompt with it; the client is told what it was.
            logger.exception("Node %s (%s) failed", node_id, self._class_type(node_id))
            self._note_end("execution_error", node_id, self._failure(failure, inputs))
            return False
        self._cache.put(node_id, result)
        self._give_out(node_id, result)
        self._progress.finish(node_id)
        self._executed.append(node_id)
        return True

    def _inputs(self, node_id: str) -> dict[str, Any]:
        """Return a node's inputs with the links followed; what its class does not declare is left out."""
        given = self._graph[node_id]["inputs"]
        node = self._node(node_id)
        linked = {name: self._value(source, slot) for name, (source, slot) in node.links(given).items()}
        return {one.name: linked.get(one.name, given[one.name]) for one in node.inputs if one.name in given}

    def _value(self, source: str, slot: int) -> object:
        result = self._cache.get(source)
        if result is None:
            raise LookupError(f"Node {source} has given nothing")
        return result.values[slot]

    def _execute(self, node_id: str, inputs: dict[str, Any]) -> Result:
        context = self._context(node_id)
        context.check()
        node = self._node(node_id)
        if node.run is None:
            raise NeedsModel(
                f"comfyfleet's stand-in knows {node.name} but cannot run it: it runs nodes that need no model. "
                "Name a real ComfyUI in COMFYUI_URL, or install one with `comfyfleet comfyui install`."
            )
        result = node.run(context, **{name.replace(".", "_"): value for name, value in inputs.items()})
        return replace(result, values=tuple(self._held(value, context) for value in result.values))

    def _held(self, value: object, context: Context) -> object:
        """Compute frames here and now if the memory budget allows it, so that it happens in the node that makes them.

        Beyond the budget they stay a recipe, which the node that reads them follows frame by frame: a clip of any
        length passes, at the price that frames which two nodes read are computed twice.
        """
        if not isinstance(value, Frames) or value.is_held:
            return value
        if self._cache.held_bytes() + value.nbytes > self._executor.memory_budget:
            return value
        return Frames.held(list(context.each(value)))

    def _context(self, node_id: str) -> Context:
        pnginfo = self._prompt.extra_data.get("extra_pnginfo")
        return Context(
            self._executor.folders,
            self._graph,
            pnginfo if isinstance(pnginfo, dict) else {},
            self._executor.is_interrupted,
            lambda value, maximum: self._progress.report(node_id, value, maximum),
        )

    def _give_out(self, node_id: str, result: Result) -> None:
        if result.ui is None:
            return
        self._outputs[node_id] = result.ui
        about = {"node": node_id, "display_node": node_id, "output": result.ui, "prompt_id": self._prompt.id}
        self._progress.tell("executed", about)

    def _failure(self, failure: Exception, inputs: dict[str, Any]) -> dict[str, Any]:
        return {
            "exception_message": f"{failure}\n",
            "exception_type": full_name(type(failure)),
            "traceback": traceback.format_tb(failure.__traceback__),
            "current_inputs": {name: [_plain(value)] for name, value in inputs.items()},
            "current_outputs": list(self._graph),
        }

    def _note_end(self, type_: str, node_id: str, details: dict[str, Any]) -> None:
        about = {
            "prompt_id": self._prompt.id,
            "node_id": node_id,
            "node_type": self._class_type(node_id),
            "executed": list(self._executed),
        }
        self._note(type_, about | details)

    def _note(self, type_: str, data: dict[str, Any]) -> None:
        """Send a message that history shows too."""
        stamped = {**data, "timestamp": int(time.time() * 1000)}
        self._messages.append((type_, stamped))
        self._progress.tell(type_, stamped)

    def _needed(self, cached: list[str]) -> list[str]:
        """Return the nodes to visit, each after those that it needs; nothing above a cached node."""
        order: dict[str, None] = {}

        def visit(node_id: str) -> None:
            if node_id not in cached:
                for source, _ in self._node(node_id).links(self._graph[node_id]["inputs"]).values():
                    if source not in cached and source not in order:
                        visit(source)
            order[node_id] = None

        for output in self._prompt.outputs:
            visit(output)
        return list(order)

    def _node(self, node_id: str) -> Node:
        return self._executor.catalogue[self._class_type(node_id)]

    def _class_type(self, node_id: str) -> str:
        return str(self._graph[node_id]["class_type"])


def full_name(kind: type) -> str:
    """Return a class's name with its module, as ComfyUI writes exception types."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
