"""Reads a workflow in UI format: every instance of a subgraph is walked with the values that it sets inside."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from comfyfleet.core.analysis.loaders import FRONTEND_ONLY, REROUTES, VALUE_NODES
from comfyfleet.core.analysis.reading import MAX_DEPTH, Budget, invalid, texts_in
from comfyfleet.core.analysis.seen import SeenNode
from comfyfleet.core.analysis.ui_document import GROUP_PREFIXES, SUBGRAPH_INPUT, Definition, UiNode, parse_ui

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class _Scope:
    """One use of a graph: what the instance around it sets, by input of the subgraph and by widget of a node."""

    definition: Definition
    path: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    is_on: bool = True
    by_input: Mapping[str, object] = field(default_factory=dict)
    by_node: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


def read_ui(document: dict[str, Any], budget: Budget) -> list[SeenNode]:
    """Return the nodes that a run could execute, those of subgraphs once for each instance.

    Raises:
        GraphInvalid: The document is no workflow, or its subgraphs contain themselves or make it endless.
    """
    own, definitions = parse_ui(document, budget)
    if not own.nodes:
        raise invalid("The workflow has no nodes.")
    return list(_walk(_Scope(own), definitions, budget))


def _walk(scope: _Scope, definitions: Mapping[str, Definition], budget: Budget) -> Iterator[SeenNode]:
    budget.spend(nodes=len(scope.definition.nodes))
    for node in scope.definition.nodes:
        budget.spend(values=len(node.values) + len(node.links))
        if node.class_type in definitions:
            inner = _inner_scope(scope, node, definitions[node.class_type], budget)
            yield from _walk(inner, definitions, budget)
            if node.class_type.startswith(GROUP_PREFIXES):
                yield _seen(scope, node, budget)
        elif _UUID.fullmatch(node.class_type):
            raise invalid(f"Node {node.node_id} of {scope.definition.name} is a subgraph that the file does not hold.")
        elif node.class_type not in FRONTEND_ONLY or node.declared:
            yield _seen(scope, node, budget)


def _seen(scope: _Scope, node: UiNode, budget: Budget) -> SeenNode:
    runs = node.class_type not in FRONTEND_ONLY
    values = _values(scope, node) if runs else {}
    return SeenNode(
        node_id=":".join((*scope.path, node.node_id)),
        class_type=node.class_type,
        texts=tuple(text for name, value in values.items() for text in texts_in(name, value, budget)),
        declared=node.declared,
        package=node.package,
        version=node.version,
        is_active=runs and scope.is_on and node.is_on,
    )


def _values(scope: _Scope, node: UiNode) -> dict[str, object]:
    """Return a node's values by input: its widgets', then what its links bring, then what an instance sets."""
    values = dict(node.values)
    for name, link in node.links.items():
        brought = _follow(scope, link)
        if isinstance(brought, str):
            values[name] = brought
    values.update(scope.by_node.get(node.node_id, {}))
    return values


def _follow(scope: _Scope, link: str) -> object:
    """Return the value that a link brings: a subgraph's input, or a node that only holds it; None if computed."""
    graph = scope.definition
    for _ in range(MAX_DEPTH):
        origin, slot = graph.links.get(link, ("", -1))
        if origin == SUBGRAPH_INPUT:
            return scope.by_input.get(graph.inputs[slot]) if 0 <= slot < len(graph.inputs) else None
        node = graph.by_id.get(origin)
        if node is None or node.class_type not in REROUTES | VALUE_NODES:
            return None
        if not node.links:
            set_here = scope.by_node.get(origin) or node.values
            return next(iter(set_here.values()), None)
        link = next(iter(node.links.values()))
    return None


def _inner_scope(scope: _Scope, node: UiNode, definition: Definition, budget: Budget) -> _Scope:
    if node.class_type in scope.classes:
        raise invalid(f"{definition.name} contains itself.")
    if len(scope.path) == MAX_DEPTH:
        raise invalid(f"Subgraphs are nested more than {MAX_DEPTH} deep.")
    budget.spend(values=len(node.positions) + len(node.proxies) + len(definition.inputs))
    by_input, by_node = _set_inside(_values(scope, node), node, definition)
    return _Scope(
        definition=definition,
        path=(*scope.path, node.node_id),
        classes=(*scope.classes, node.class_type),
        is_on=scope.is_on and node.is_on,
        by_input=by_input,
        by_node=by_node,
    )


def _set_inside(
    values: Mapping[str, object], node: UiNode, definition: Definition
) -> tuple[dict[str, object], dict[str, dict[str, object]]]:
    """Return what an instance sets: by input of the subgraph, and by widget of an inner node."""
    by_input: dict[str, object] = {}
    by_node: dict[str, dict[str, object]] = {}
    if len(node.positions) == len(definition.widget_inputs) and not node.proxies:
        by_input = dict(zip(definition.widget_inputs, node.positions, strict=True))
    by_input |= {name: values[name] for name in definition.inputs if name in values}
    placed = dict(zip(node.proxies, node.positions, strict=True)) if len(node.proxies) == len(node.positions) else {}
    shown = Counter(widget for _, widget in node.proxies)
    for inner, widget in node.proxies:
        value = placed.get((inner, widget), values.get(widget) if shown[widget] == 1 else None)
        if value is None:
            continue
        if inner in definition.by_id:
            by_node.setdefault(inner, {})[widget] = value
        else:
            by_input.setdefault(widget, value)
    return by_input, by_node
