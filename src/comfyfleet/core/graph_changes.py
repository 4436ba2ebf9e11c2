"""What differs between two versions of a workflow."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

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
    """Return what differs, in the order of output, nodes and properties."""
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
    if old["class_type"] != new["class_type"]:
        yield Change("changed", f"{where}: class", old["class_type"], new["class_type"])
    if old.get("_meta") != new.get("_meta"):
        yield Change("changed", f"{where}: title", _text(old.get("_meta")), _text(new.get("_meta")))
    for name in {**old["inputs"], **new["inputs"]}:
        before, after = old["inputs"].get(name), new["inputs"].get(name)
        if before != after:
            what = "added" if name not in old["inputs"] else "removed" if name not in new["inputs"] else "changed"
            yield Change(what, f"{where}: {name}", _text(before), _text(after))


def _properties(old: tuple[Property, ...], new: tuple[Property, ...]) -> Iterator[Change]:
    before, after = ({prop.key: prop for prop in props} for props in (old, new))
    for key, prop in after.items():
        if key not in before:
            yield Change("added", f"property {key}")
        elif before[key] != prop:
            for name, value in vars(prop).items():
                earlier = getattr(before[key], name)
                if earlier != value:
                    yield Change("changed", f"property {key}: {name}", _text(earlier), _text(value))
    for key in before:
        if key not in after:
            yield Change("removed", f"property {key}")


def _text(value: object) -> str | None:
    if value is None:
        return None
    if is_link(value) and isinstance(value, list):
        return f"link to node {value[0]}, output {value[1]}"
    if isinstance(value, dict) and set(value) == {"title"}:
        return str(value["title"])
    return str(value)
