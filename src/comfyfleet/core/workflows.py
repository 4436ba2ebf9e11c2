"""What makes a workflow importable: its graph, its output node and its properties fit together."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Final

from comfyfleet.core.errors import Invalid
from comfyfleet.core.graphs import Graph, input_strings, is_link, node_name
from comfyfleet.core.properties import Property, PropertyType, check_value

_KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_BARE: Final = re.compile(r"\w+")


class WorkflowInvalid(Invalid):
    """A workflow contradicts itself."""

    code = "workflow_invalid"


@dataclass(frozen=True)
class WorkflowSpec:
    """A workflow as it is run: the graph, which node's file is the result, and the inputs."""

    graph: Graph
    output_node_id: str
    output_extension: str
    output_mime_type: str
    properties: tuple[Property, ...] = ()


def check_slug(slug: str) -> str:
    """Return `slug`; raise `WorkflowInvalid` unless it is 1 to 64 of `a-z 0-9 -`, no `-` at the ends, and not `new`."""
    if not _SLUG.fullmatch(slug):
        raise WorkflowInvalid(f"'{slug[:80]}' is no slug.", hint="Use 1 to 64 small letters, digits and inner hyphens.")
    if slug == "new":
        raise WorkflowInvalid("The slug 'new' is the address of a form.", hint="Choose another slug.")
    return slug


def check_workflow(spec: WorkflowSpec) -> None:
    """Raise what `problems_of` finds first, unless output node, properties and bindings fit the graph."""
    for problem in problems_of(spec):
        raise problem


def problems_of(spec: WorkflowSpec) -> Iterator[Invalid]:
    """Yield every reason why a workflow cannot be imported, each with what to do."""
    yield from _output_problems(spec)
    yield from _key_problems(spec.properties)
    yield from _primary_problems(spec.properties)
    for prop in spec.properties:
        yield from _property_problems(prop)
        yield from _binding_problems(spec.graph, prop)


def _output_problems(spec: WorkflowSpec) -> Iterator[Invalid]:
    if spec.output_node_id not in spec.graph:
        yield WorkflowInvalid(
            f"The output node '{spec.output_node_id}' is not in the workflow.",
            hint=f"Choose one of: {', '.join(node_name(spec.graph, node_id) for node_id in spec.graph)}.",
        )
    if not re.fullmatch(r"[a-z0-9]{1,10}", spec.output_extension):
        yield WorkflowInvalid(f"'{spec.output_extension}' is no file extension.", hint="Write it like mp4, no dot.")
    if not re.fullmatch(r"[a-z]+/[a-z0-9.+-]+", spec.output_mime_type):
        yield WorkflowInvalid(f"'{spec.output_mime_type}' is no MIME type.", hint="Write it like video/mp4.")


def _key_problems(properties: tuple[Property, ...]) -> Iterator[Invalid]:
    for prop in properties:
        if not _KEY.fullmatch(prop.key):
            yield WorkflowInvalid(
                f"'{prop.key[:80]}' is no property key.",
                hint="Use small letters, digits and underscores, with a letter first.",
            )
    for what, names in (
        ("key", [prop.key for prop in properties]),
        ("placeholder", [prop.placeholder for prop in properties if prop.placeholder]),
    ):
        for name, count in Counter(names).items():
            if count > 1:
                yield WorkflowInvalid(
                    f"Two properties have the {what} '{name}'.",
                    hint=f"Give each property a {what} of its own.",
                )


def _primary_problems(properties: tuple[Property, ...]) -> Iterator[Invalid]:
    primary = [prop for prop in properties if prop.is_primary_input]
    if len(primary) > 1:
        yield WorkflowInvalid(
            f"Two properties are the primary input: {', '.join(prop.key for prop in primary)}.",
            hint="Set is_primary_input on one of them only.",
        )
    if primary and not primary[0].type.is_file:
        yield WorkflowInvalid(
            f"The primary input '{primary[0].key}' has the type {primary[0].type}.",
            hint="A primary input is an image, a video or an audio file; a text-only workflow has none.",
        )


def _property_problems(prop: Property) -> Iterator[Invalid]:
    if prop.type is PropertyType.CHOICE and not prop.choices:
        yield WorkflowInvalid(f"The choice '{prop.key}' has no choices.", hint="List its choices.")
    if prop.minimum is not None and prop.maximum is not None and prop.minimum > prop.maximum:
        yield WorkflowInvalid(f"'{prop.key}' has a minimum above its maximum.", hint="Swap the two.")
    if prop.type.is_file:
        yield from _file_problems(prop)
    elif prop.default is not None:
        try:
            check_value(prop, prop.default)
        except Invalid as problem:
            yield problem


def _file_problems(prop: Property) -> Iterator[Invalid]:
    if prop.default is not None:
        yield WorkflowInvalid(f"The file '{prop.key}' has a default.", hint="Files have no default: remove it.")
    if prop.minimum is not None:
        yield WorkflowInvalid(f"The file '{prop.key}' has a minimum.", hint="Files have none: remove it.")
    if prop.maximum is not None and prop.type is PropertyType.IMAGE:
        yield WorkflowInvalid(f"The image '{prop.key}' has a maximum.", hint="An image does not last: remove it.")
    elif prop.maximum is not None and not (isfinite(prop.maximum) and prop.maximum > 0):
        hint = "Give the longest duration in seconds, or none."
        yield WorkflowInvalid(f"'{prop.key}' may last {prop.maximum:g} seconds.", hint=hint)


def _binding_problems(graph: Graph, prop: Property) -> Iterator[Invalid]:
    if (prop.node_id is None) != (prop.input_name is None):
        yield WorkflowInvalid(f"'{prop.key}' names a node or an input, not both.", hint="Give node_id and input_name.")
    elif prop.placeholder is None and prop.node_id is None:
        yield WorkflowInvalid(
            f"'{prop.key}' is bound to nothing.", hint="Give a placeholder, or node_id and input_name."
        )
    if prop.placeholder is not None:
        yield from _placeholder_problems(graph, prop.key, prop.placeholder)
    if prop.node_id is not None and prop.input_name is not None:
        yield from _input_problems(graph, prop.key, prop.node_id, prop.input_name)


def _placeholder_problems(graph: Graph, key: str, placeholder: str) -> Iterator[Invalid]:
    if len(placeholder) < 3:
        yield WorkflowInvalid(f"The placeholder of '{key}' is too short.", hint="Use one like {{PROMPT}}.")
        return
    if any(placeholder in text for text in input_strings(graph)):
        return
    bare = _BARE.search(placeholder)
    survivor = bare is not None and any(text == bare.group() for text in input_strings(graph))
    hint = (
        f"ComfyUI's Export (API) took the braces away: the JSON holds the bare word '{bare.group()}'. "
        if survivor and bare is not None
        else ""
    )
    name = bare.group() if bare else "PROMPT"
    yield WorkflowInvalid(
        f"The placeholder '{placeholder}' of '{key}' is in no input of the workflow.",
        hint=f"{hint}Write __{name}__ in ComfyUI instead and export again, or bind '{key}' by node_id and input_name.",
    )


def _input_problems(graph: Graph, key: str, node_id: str, input_name: str) -> Iterator[Invalid]:
    if node_id not in graph:
        yield WorkflowInvalid(
            f"'{key}' is bound to node '{node_id}', which is not in the workflow.",
            hint=f"The nodes are: {', '.join(graph)}.",
        )
        return
    inputs = graph[node_id]["inputs"]
    if input_name not in inputs:
        yield WorkflowInvalid(
            f"'{key}' is bound to the input '{input_name}', which {node_name(graph, node_id)} does not have.",
            hint=f"Its inputs are: {', '.join(inputs) or 'none'}.",
        )
    elif is_link(inputs[input_name]):
        yield WorkflowInvalid(
            f"'{key}' is bound to '{input_name}' of {node_name(graph, node_id)}, which is linked to another node.",
            hint="Bind it to an input that holds a value.",
        )
