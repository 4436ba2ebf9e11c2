"""A workflow in UI format as typed data: its own nodes, and those of each subgraph that it defines."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from comfyfleet.core.analysis.loaders import LOADERS
from comfyfleet.core.analysis.reading import MAX_DEPTH, Budget, a_dict, a_list, a_text, an_id, invalid, text_or_none
from comfyfleet.core.analysis.seen import Declared, declared_in

SUBGRAPH_INPUT: Final = "-10"
"""The id, inside a subgraph, of where its inputs come from."""

GROUP_PREFIXES: Final = ("workflow>", "workflow/")
"""How the class of a group node's instance begins."""

_OFF: Final = frozenset({2, 4})  # muted, bypassed
_AFTER_GENERATE: Final = frozenset({"fixed", "increment", "decrement", "randomize", "increment-wrap"})


@dataclass(frozen=True)
class UiNode:
    """One node as drawn. `values` are its widgets' by name (`#0` where it is unknown), `links` its inputs' by name."""

    node_id: str
    class_type: str
    is_on: bool
    values: Mapping[str, object]
    positions: Sequence[object]
    links: Mapping[str, str]
    widgets: frozenset[str]
    proxies: tuple[tuple[str, str], ...]
    declared: tuple[Declared, ...]
    package: str | None
    version: str | None


@dataclass(frozen=True)
class Definition:
    """A graph of nodes: the workflow's own, or a subgraph that nodes of other graphs are instances of.

    `links` tells for each link's id the node and slot that it comes from; `inputs` names a subgraph's inputs in order.
    """

    name: str
    nodes: tuple[UiNode, ...]
    by_id: Mapping[str, UiNode]
    links: Mapping[str, tuple[str, int]]
    inputs: tuple[str, ...] = ()
    widget_inputs: tuple[str, ...] = ()


def parse_ui(document: dict[str, Any], budget: Budget) -> tuple[Definition, dict[str, Definition]]:
    """Return the workflow's own graph, and its subgraphs by the class that their instances have."""
    definitions: dict[str, Definition] = {}
    for raw in _subgraphs(document):
        key = an_id(raw.get("id"), "A subgraph")
        definitions.setdefault(key, _definition(raw, f"subgraph {str(raw.get('name'))[:80]}", budget))
    extra = document.get("extra")
    groups = extra.get("groupNodes") if isinstance(extra, dict) else None
    for name, raw in a_dict(groups, "extra.groupNodes").items():
        group = _group(a_dict(raw, "A group node"), f"group node {str(name)[:80]}", budget)
        definitions |= {f"{prefix}{name}": group for prefix in GROUP_PREFIXES}
    return _definition(document, "the workflow", budget), definitions


def _group(raw: dict[str, Any], name: str, budget: Budget) -> Definition:
    """Return a group node, the older kind of subgraph; its inner nodes all have the id -1."""
    nodes = [a_dict(node, f"A node of {name}") for node in a_list(raw.get("nodes"), f"nodes of {name}")]
    bare = [{key: value for key, value in node.items() if key not in {"id", "inputs"}} for node in nodes]
    return _definition({"nodes": bare}, name, budget)


def _subgraphs(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    waiting: list[tuple[dict[str, Any], int]] = [(document, 0)]
    while waiting:
        holder, depth = waiting.pop()
        definitions = a_dict(holder.get("definitions"), "definitions")
        for raw in a_list(definitions.get("subgraphs"), "definitions.subgraphs"):
            if depth == MAX_DEPTH:
                raise invalid(f"Definitions of subgraphs are nested more than {MAX_DEPTH} deep.")
            subgraph = a_dict(raw, "A subgraph")
            yield subgraph
            waiting.append((subgraph, depth + 1))


def _definition(raw: dict[str, Any], name: str, budget: Budget) -> Definition:
    raw_nodes = a_list(raw.get("nodes"), f"nodes of {name}")
    budget.spend(values=len(raw_nodes))
    nodes = tuple(_node(a_dict(node, f"A node of {name}"), index, budget) for index, node in enumerate(raw_nodes))
    inputs = tuple(
        text_or_none(a_dict(entry, f"An input of {name}").get("name")) or ""
        for entry in a_list(raw.get("inputs"), f"inputs of {name}")
    )
    budget.spend(values=len(inputs))
    links = dict(_link(link, name) for link in a_list(raw.get("links"), f"links of {name}"))
    budget.spend(values=len(links))
    by_id = {node.node_id: node for node in nodes}
    return Definition(name, nodes, by_id, links, inputs, _widget_inputs(inputs, nodes, links))


def _link(raw: object, name: str) -> tuple[str, tuple[str, int]]:
    if isinstance(raw, dict):
        link, origin, slot = raw.get("id"), raw.get("origin_id"), raw.get("origin_slot")
    elif isinstance(raw, list) and len(raw) >= 3:
        link, origin, slot = raw[:3]
    else:
        raise invalid(f"A link of {name} is neither a list nor an object.")
    what = f"A link of {name}"
    return an_id(link, what), (an_id(origin, what), slot if type(slot) is int else -1)


def _widget_inputs(
    inputs: tuple[str, ...], nodes: tuple[UiNode, ...], links: Mapping[str, tuple[str, int]]
) -> tuple[str, ...]:
    """Return the inputs of a subgraph, in order, that set a widget inside; an instance's widget values follow them."""
    slots = {
        links[link][1]
        for node in nodes
        for name, link in node.links.items()
        if name in node.widgets and links.get(link, ("", 0))[0] == SUBGRAPH_INPUT
    }
    return tuple(name for slot, name in enumerate(inputs) if slot in slots)


def _node(raw: dict[str, Any], index: int, budget: Budget) -> UiNode:
    node_id = an_id(raw.get("id", index), "A node")
    what = f"node {node_id}"
    class_type = a_text(raw.get("type"), f"The class of {what}")
    properties = a_dict(raw.get("properties"), f"properties of {what}")
    inputs = [a_dict(entry, f"An input of {what}") for entry in a_list(raw.get("inputs"), f"inputs of {what}")]
    budget.spend(values=len(inputs))
    widgets = [name for entry in inputs if (name := _widget_name(entry))]
    values = raw.get("widgets_values")
    positions = list(values) if isinstance(values, list) else []
    budget.spend(values=len(positions))
    return UiNode(
        node_id=node_id,
        class_type=class_type,
        is_on=raw.get("mode") not in _OFF if isinstance(raw.get("mode"), int) else True,
        values=_values(raw, class_type, widgets, positions),
        positions=positions,
        links={_input_name(entry): an_id(entry["link"], what) for entry in inputs if entry.get("link") is not None},
        widgets=frozenset(widgets),
        proxies=_proxies(properties, what, budget),
        declared=declared_in(properties, what, budget),
        package=text_or_none(properties.get("cnr_id")) or text_or_none(properties.get("aux_id")),
        version=text_or_none(properties.get("ver")),
    )


def _widget_name(entry: dict[str, Any]) -> str | None:
    widget = entry.get("widget")
    return text_or_none(widget.get("name")) if isinstance(widget, dict) else None


def _input_name(entry: dict[str, Any]) -> str:
    return _widget_name(entry) or text_or_none(entry.get("name")) or ""


def _values(raw: dict[str, Any], class_type: str, widgets: list[str], positions: list[object]) -> dict[str, object]:
    """Return a node's widget values by name.

    Where values are given both by place and by name, those by place count, as the editor reads them: in the official
    templates those by name are sometimes of an earlier state.
    """
    values, named = raw.get("widgets_values"), raw.get("widgets_values_named")
    if isinstance(values, dict):
        return {str(name): value for name, value in values.items()}
    known = [value for value in positions if not (isinstance(value, str) and value in _AFTER_GENERATE)]
    for names in (list(named) if isinstance(named, dict) else [], widgets):
        for candidates in (positions, known):
            if names and len(names) == len(candidates):
                return {str(name): value for name, value in zip(names, candidates, strict=True)}
    if isinstance(named, dict) and named:
        return {str(name): value for name, value in named.items()}
    places = {file.position: file.name for file in LOADERS.get(class_type, ()) if file.position is not None}
    return {places.get(position, f"#{position}"): value for position, value in enumerate(positions)}


def _proxies(properties: dict[str, Any], what: str, budget: Budget) -> tuple[tuple[str, str], ...]:
    """Return which widgets of which inner nodes an instance of a subgraph shows as its own."""
    entries = a_list(properties.get("proxyWidgets"), f"proxyWidgets of {what}")
    budget.spend(values=len(entries))
    if not all(isinstance(entry, list) and len(entry) >= 2 for entry in entries):
        raise invalid(f"proxyWidgets of {what} are no pairs of node and widget.")
    return tuple((str(entry[0])[:200], str(entry[1])[:200]) for entry in entries)
