"""What differs between two versions of a workflow."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from comfyfleet.core.graphs import Graph, is_link, node_name
from comfyfleet.core.properties import Property
from comfyfleet.core.workflows import WorkflowSpec


@dataclass(frozen=True)
class Change:
    """One difference: `what` is `added`, `removed` or `changed`, `where` names the place, the values are texts."""

    what: str
    where: str
    before: str | None = None
    after: str | None = None


def changes_between(old: WorkflowSpec, new: WorkflowSpec) -> list[Change]:
    """Return what differs, in the order of output, nodes and properties; nothing if both run the same.

    1, 1.0 and true differ, for ComfyUI may take them for different values; the order of nodes and inputs says nothing.
    """
    return [*_output(old, new), *_nodes(old.graph, new.graph), *_properties(old.properties, new.properties)]


def _output(old: WorkflowSpec, new: WorkflowSpec) -> Iterator[Change]:
    for name in ("output_node_id", "output_extension", "output_mime_type"):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield Change("changed", name.replace("_", " "), before, after)


def _nodes(old: Graph, new: Graph) -> Iterator[Change]:
    for node_id in new:
        if node_id not in old:
            yield Change("added", node_name(new, node_id))
    for node_id in old:
        if node_id not in new:
            yield Change("removed", node_name(old, node_id))
        else:
            yield from _node(new, node_id, old[node_id], new[node_id])


def _node(graph: Graph, node_id: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    where = node_name(graph, node_id)
    for part in {**old, **new}:
        if part != "inputs":
            yield from _parts(f"{where}: {_NAMES.get(part, part)}", part, old, new)
    for name in {**old["inputs"], **new["inputs"]}:
        yield from _parts(f"{where}: {name}", name, old["inputs"], new["inputs"])


_NAMES: Final = {"class_type": "class", "_meta": "title"}


def _parts(where: str, name: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    before, after = old.get(name), new.get(name)
    if name not in old:
        yield Change("added", where, None, _text(after))
    elif name not in new:
        yield Change("removed", where, _text(before), None)
    elif _differ(before, after):
        yield Change("changed", where, _text(before), _text(after))


def _properties(old: tuple[Property, ...], new: tuple[Property, ...]) -> Iterator[Change]:
    before, after = ({prop.key: prop for prop in props} for props in (old, new))
    for key, prop in after.items():
        if key not in before:
            yield Change("added", f"property {key}")
        else:
            for name, value in vars(prop).items():
                earlier = getattr(before[key], name)
                if _differ(earlier, value):
                    yield Change("changed", f"property {key}: {name}", _text(earlier), _text(value))
    for key in before:
        if key not in after:
            yield Change("removed", f"property {key}")
    first, second = [key for key in before if key in after], [key for key in after if key in before]
    if first != second:
        yield Change("changed", "order of the properties", ", ".join(first), ", ".join(second))


def _differ(before: object, after: object) -> bool:
    return json.dumps(before, sort_keys=True) != json.dumps(after, sort_keys=True)


def _text(value: object) -> str | None:
    if value is None:
        return None
    if is_link(value) and isinstance(value, list):
        return f"link to node {value[0]}, output {value[1]}"
    if isinstance(value, dict) and set(value) == {"title"}:
        return str(value["title"])
    return str(value)
