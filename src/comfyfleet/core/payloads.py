"""Payloads: a workflow's graph with the values of one job placed into it.

Values go into the parsed graph, never into its text, and what was placed is never searched again: a prompt that
holds quotes, emoji or another placeholder arrives in its node exactly as typed.
"""

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from comfyfleet.core.graphs import Graph, input_strings, is_link
from comfyfleet.core.properties import Property, Scalar
from comfyfleet.core.workflows import WorkflowSpec


@dataclass(frozen=True)
class FileInput:
    """One file of a job: the worker fetches it and writes ComfyUI's name for it where `placeholder` stands.

    A video or an audio file may last `max_seconds`, where that is set.
    """

    key: str
    type: str
    placeholder: str
    is_primary_input: bool
    upload_id: str
    max_seconds: float | None = None


@dataclass(frozen=True)
class Payload:
    """What a worker needs to render: the graph with values, and the files that are still placeholders."""

    graph: Graph
    files: tuple[FileInput, ...]


def fill(spec: WorkflowSpec, values: Mapping[str, Scalar]) -> Payload:
    """Place the checked `values` (by property key) into the graph; properties without a value stay as authored.

    A file's placeholder is renamed when some text of the job would contain it, so that the worker, which
    replaces placeholders by their text, never touches what a user typed.
    """
    files = tuple(
        FileInput(
            key=prop.key,
            type=prop.type.value,
            placeholder=_file_placeholder(prop, spec.graph, values),
            is_primary_input=prop.is_primary_input,
            upload_id=str(values[prop.key]),
            max_seconds=prop.maximum,
        )
        for prop in spec.properties
        if prop.type.is_file and prop.key in values
    )
    placed: dict[str, Scalar] = {**values, **{file.key: file.placeholder for file in files}}
    return Payload(graph=_place(spec, placed), files=files)


def with_output_prefix(graph: Graph, prefix: str) -> Graph:
    """Return the graph with every `filename_prefix` under `prefix`.

    Otherwise ComfyUI's cache would answer with another job's file.
    """
    result = deepcopy(graph)
    for node_id, node in result.items():
        inputs = node["inputs"]
        if "filename_prefix" in inputs and not is_link(inputs["filename_prefix"]):
            inputs["filename_prefix"] = f"{prefix}/{_path_part(node_id)}"
    return result


def replace_strings(value: Any, replace: Callable[[str], Any]) -> Any:
    """Return a copy of a JSON value in which each string literal went through `replace`; links stay."""
    if isinstance(value, str):
        return replace(value)
    if isinstance(value, dict):
        return {key: replace_strings(part, replace) for key, part in value.items()}
    if isinstance(value, list) and not is_link(value):
        return [replace_strings(part, replace) for part in value]
    return value


def _place(spec: WorkflowSpec, values: Mapping[str, Scalar]) -> Graph:
    by_placeholder = {
        prop.placeholder: values[prop.key] for prop in spec.properties if prop.placeholder and prop.key in values
    }
    replace = _replacer(by_placeholder)
    graph = {
        node_id: {**node, "inputs": replace_strings(node["inputs"], replace)} for node_id, node in spec.graph.items()
    }
    for prop in spec.properties:
        if prop.key in values and prop.node_id is not None and prop.input_name is not None:
            graph[prop.node_id]["inputs"][prop.input_name] = values[prop.key]
    return graph


def _replacer(by_placeholder: Mapping[str, Scalar]) -> Callable[[str], Scalar]:
    if not by_placeholder:
        return lambda text: text
    longest_first = sorted(by_placeholder, key=len, reverse=True)
    pattern = re.compile("|".join(re.escape(placeholder) for placeholder in longest_first))

    def replace(text: str) -> Scalar:
        if text in by_placeholder:
            return by_placeholder[text]
        return pattern.sub(lambda match: str(by_placeholder[match.group()]), text)

    return replace


def _file_placeholder(prop: Property, graph: Graph, values: Mapping[str, Scalar]) -> str:
    placeholder = prop.placeholder or f"{{{{FILE_{prop.key.upper()}}}}}"
    authored = {placeholder} if prop.placeholder else set()
    texts = [str(value) for key, value in values.items() if key != prop.key]
    texts += [text for text in input_strings(graph) if text not in authored]
    while any(placeholder in text for text in texts):
        placeholder = f"{{{{FILE_{prop.key.upper()}_{sha256(placeholder.encode()).hexdigest()[:12]}}}}}"
    return placeholder


def _path_part(node_id: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "-", node_id)
