"""Whether a prompt may run, said in ComfyUI's words.

An output node is good if it and everything above it is. One good output is enough for the prompt to be taken: the
others are left out and only named in `node_errors`, as ComfyUI does.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from comfyfleet.core.graphs import Graph
from comfyfleet.standin.folders import Folders, OutsideFolder
from comfyfleet.standin.nodes.spec import Input, Node

Problem: TypeAlias = dict[str, Any]

_CONVERSIONS: Final = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}
_LONGEST_LIST: Final = 20
"""More choices than this are counted in the message and not listed."""

_GRAPH_FAULTS: Final = (LookupError, TypeError, AttributeError, RecursionError)
"""What walking a graph raises that is no graph."""


@dataclass
class Verdict:
    """What validation found.

    Attributes:
        error: Why the prompt is refused as a whole; None if it may run.
        outputs: The output nodes that will run.
        node_errors: What is wrong with which node; can be filled even if the prompt may run.
    """

    error: Problem | None = None
    outputs: list[str] = field(default_factory=list)
    node_errors: dict[str, dict[str, Any]] = field(default_factory=dict)


def problem(type_: str, message: str, details: str, **extra_info: Any) -> Problem:
    """Return an error in the form that ComfyUI gives all of them."""
    return {"type": type_, "message": message, "details": details, "extra_info": extra_info}


def validate(
    graph: Graph, catalogue: Mapping[str, Node], folders: Folders, targets: Collection[str] | None = None
) -> Verdict:
    """Judge a prompt. Values that only have the wrong type (`"7"` for a number) are converted in the graph.

    Args:
        graph: The prompt as it was posted.
        catalogue: The node classes that exist.
        folders: Where the files are that inputs can name.
        targets: The output nodes that the client wants, if not all.
    """
    for node_id, node in graph.items():
        if unknown := _unknown_class(node_id, node, catalogue):
            return Verdict(unknown)
    wanted = [
        node_id
        for node_id, node in reversed(graph.items())
        if catalogue[node["class_type"]].is_output and (targets is None or node_id in targets)
    ]
    if not wanted:
        return Verdict(problem("prompt_no_outputs", "Prompt has no outputs", ""))
    return _judge(wanted, _Checker(graph, catalogue, folders))


def _unknown_class(node_id: str, node: dict[str, Any], catalogue: Mapping[str, Node]) -> Problem | None:
    class_type = node.get("class_type")
    title = node.get("_meta", {}).get("title") or class_type or node_id
    if class_type in catalogue:
        return None
    if class_type is None:
        message = f"Node '{title}' has no class_type. The workflow may be corrupted or a custom node is missing."
    else:
        message = f"Node '{title}' not found. The custom node may not be installed."
    names = {"node_id": node_id, "class_type": class_type, "node_title": title}
    return problem("missing_node_type", message, f"Node ID '#{node_id}'", **names)


def _judge(wanted: list[str], checker: "_Checker") -> Verdict:
    verdict = Verdict()
    reasons: list[Problem] = []
    for output in wanted:
        if checker.is_output_good(output):
            verdict.outputs.append(output)
            continue
        reasons += checker.findings[output]
        for node_id in checker.faulty():
            entry = verdict.node_errors.setdefault(
                node_id,
                {
                    "errors": checker.findings[node_id],
                    "dependent_outputs": [],
                    "class_type": checker.graph[node_id]["class_type"],
                },
            )
            entry["dependent_outputs"].append(output)
    if not verdict.outputs:
        details = "\n".join(f"{reason['message']}: {reason['details']}" for reason in reasons)
        verdict.error = problem("prompt_outputs_failed_validation", "Prompt outputs failed validation", details)
    return verdict


class _Checker:
    """Walks up from the outputs and remembers what it found of each node.

    A node below a bad one is bad too, but has no problems of its own.
    """

    def __init__(self, graph: Graph, catalogue: Mapping[str, Node], folders: Folders) -> None:
        self.graph = graph
        self.findings: dict[str, list[Problem]] = {}
        self._catalogue = catalogue
        self._folders = folders
        self._bad: set[str] = set()
        self._open: set[str] = set()

    def faulty(self) -> list[str]:
        """Return the nodes that have problems of their own."""
        return [node_id for node_id, problems in self.findings.items() if problems]

    def is_output_good(self, node_id: str) -> bool:
        """Check an output node and all above it."""
        try:
            return self._is_good(node_id)
        except _GRAPH_FAULTS as fault:
            self._record(node_id, [_fault("exception_during_validation", "Exception when validating node", fault)])
            return False

    def _is_good(self, node_id: str) -> bool:
        if node_id in self.findings:
            return node_id not in self._bad
        if node_id in self._open:
            raise RecursionError(f"The graph has a cycle through node {node_id}")
        self._open.add(node_id)
        inputs = self.graph[node_id]["inputs"]
        found = [self._check(inputs, declared) for declared in self._node(node_id).inputs]
        problems = [one for one in found if isinstance(one, dict)]
        self._record(node_id, problems, is_bad=any(one is not None for one in found))
        self._open.discard(node_id)
        return node_id not in self._bad

    def _node(self, node_id: str) -> Node:
        return self._catalogue[self.graph[node_id]["class_type"]]

    def _record(self, node_id: str, problems: list[Problem], *, is_bad: bool = True) -> None:
        self.findings[node_id] = self.findings.get(node_id, []) + problems
        if is_bad:
            self._bad.add(node_id)

    def _check(self, inputs: dict[str, Any], declared: Input) -> Problem | bool | None:
        """Return an input's problem, False if what it links to is bad, None if all is well."""
        name = declared.name
        if name not in inputs:
            if not declared.is_required:
                return None
            return problem("required_input_missing", "Required input is missing", name, input_name=name)
        value = inputs[name]
        if isinstance(value, list):
            return self._check_link(declared, value)
        if isinstance(value, dict) and "__value__" in value:
            value = inputs[name] = value["__value__"]
        return self._check_value(inputs, declared, value)

    def _check_link(self, declared: Input, link: list[Any]) -> Problem | bool | None:
        about = {"input_name": declared.name, "input_config": declared.config(self._folders)}
        if len(link) != 2:
            message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            return problem("bad_linked_input", message, declared.name, **about, received_value=link)
        source, slot = link
        received = self._node(source).outputs[slot]
        wanted = about["input_config"][0]
        if not types_match(received, wanted):
            details = f"{declared.name}, received_type({received}) mismatch input_type({wanted})"
            message = "Return type mismatch between linked nodes"
            return problem("return_type_mismatch", message, details, **about, received_type=received, linked_node=link)
        try:
            return None if self._is_good(source) else False
        except _GRAPH_FAULTS as fault:
            kind = "exception_during_inner_validation"
            self._record(
                source, [_fault(kind, "Exception when validating inner node", fault, **about, linked_node=link)]
            )
            return False

    def _check_value(self, inputs: dict[str, Any], declared: Input, value: Any) -> Problem | None:
        name = declared.name
        about = {"input_name": name, "input_config": declared.config(self._folders)}
        if convert := _CONVERSIONS.get(declared.kind):
            try:
                value = inputs[name] = convert(value)
            except (ValueError, TypeError, OverflowError) as fault:
                message = f"Failed to convert an input value to a {declared.kind} value"
                details = f"{name}, {value}, {fault}"
                about |= {"received_value": value, "exception_message": str(fault)}
                return problem("invalid_input_type", message, details, **about)
        if declared.file:
            return self._check_file(declared, value)
        return _check_range(declared, value, about) or self._check_choice(declared, value)

    def _check_file(self, declared: Input, value: Any) -> Problem | None:
        try:
            if self._folders.named(str(value)).is_file():
                return None
        except OutsideFolder:
            pass  # Answered like a missing file: what lies outside is nobody's business.
        details = f"{declared.name} - Invalid {declared.file} file: {value}"
        message = "Custom validation failed for node"
        return problem("custom_validation_failed", message, details, input_name=declared.name)

    def _check_choice(self, declared: Input, value: Any) -> Problem | None:
        if declared.choices is None:
            return None
        choices = list(declared.choices(self._folders))
        if value in choices:
            return None
        is_short = len(choices) <= _LONGEST_LIST
        listed = str(choices) if is_short else f"(list of length {len(choices)})"
        details = f"{declared.name}: '{value}' not in {listed}"
        about = {
            "input_name": declared.name,
            "input_config": declared.config(self._folders) if is_short else None,
            "received_value": value,
        }
        return problem("value_not_in_list", "Value not in list", details, **about)


def types_match(received: Any, wanted: Any) -> bool:
    """Tell whether a type fits an input; each can be several (`INT,FLOAT`), and `*` is any."""
    if not isinstance(received, str) or not isinstance(wanted, str):
        return False
    offered, accepted = ({part.strip() for part in types.split(",")} for types in (received, wanted))
    return "*" in offered | accepted or bool(offered & accepted)


def _check_range(declared: Input, value: Any, about: dict[str, Any]) -> Problem | None:
    about = {**about, "received_value": value}
    least, most = declared.options.get("min"), declared.options.get("max")
    if least is not None and value < least:
        message = f"Value {value} smaller than min of {least}"
        return problem("value_smaller_than_min", message, declared.name, **about)
    if most is not None and value > most:
        message = f"Value {value} bigger than max of {most}"
        return problem("value_bigger_than_max", message, declared.name, **about)
    return None


def _fault(kind: str, message: str, fault: Exception, **about: Any) -> Problem:
    about |= {"exception_type": type(fault).__name__, "traceback": []}
    return problem(kind, message, str(fault), **about)
