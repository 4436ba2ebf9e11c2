"""ComfyUI's validation errors, as sentences that name node, input and value."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from comfyfleet.core.graphs import Graph
from comfyfleet.worker.errors import Place, PromptInvalid
from comfyfleet.worker.outcome.paths import without_folders

_MOST_SENTENCES: Final = 10
_FILENAME: Final = re.compile(r"\.[A-Za-z0-9]{2,12}$")
_NODE_IN_DETAILS: Final = re.compile(r"#([^'\"\s]+)")


def refusal(body: Mapping[str, Any], graph: Graph) -> PromptInvalid | None:
    """Return what the answer to `POST /prompt` objects to, or None when it objects to nothing.

    A 200 with `node_errors` is an objection too: ComfyUI then runs only the outputs that are valid.
    """
    found = list(_node_objections(_mapping(body.get("node_errors")), graph))
    error = body.get("error")
    if not found and error:
        found = [_prompt_objection(error, graph)]
    if not found:
        return None
    sentences = [without_folders(sentence) for _, sentence in found[:_MOST_SENTENCES]]
    if len(found) > _MOST_SENTENCES:
        sentences.append(f"And {len(found) - _MOST_SENTENCES} more.")
    return PromptInvalid("\n".join(sentences), place=found[0][0])


def _node_objections(node_errors: Mapping[str, Any], graph: Graph) -> Iterator[tuple[Place, str]]:
    for node_id, report in node_errors.items():
        node_type = report.get("class_type") or _class_type(graph, node_id)
        for error in report.get("errors") or [{}]:
            extra = _mapping(error.get("extra_info"))
            place = Place(node_id, node_type, extra.get("input_name"))
            yield place, f"{place}: {_objection(error, extra, place.input_name)}"


def _objection(error: Mapping[str, Any], extra: Mapping[str, Any], input_name: str | None) -> str:
    message = str(error.get("message") or "ComfyUI does not say why").strip().rstrip(".")
    if error.get("type") == "value_not_in_list" and "received_value" in extra:
        value = str(extra["received_value"])
        among = "in the list of files on this machine" if _FILENAME.search(value) else "one of the choices"
        return f"'{value}' is not {among} ({message})"
    details = str(error.get("details") or "").strip()
    if input_name:
        details = details.removeprefix(input_name).lstrip(":, ")
    return f"{details} ({message})" if details else message


def _prompt_objection(error: Any, graph: Graph) -> tuple[Place, str]:
    if not isinstance(error, Mapping):
        return Place(), f"ComfyUI refused the workflow: {error}"
    extra = _mapping(error.get("extra_info"))
    message = str(error.get("message") or error.get("type") or "no reason given").strip()
    details = str(error.get("details") or "").strip()
    node_id = extra.get("node_id") or _node_in(details, graph)
    if node_id is None:
        return Place(), f"ComfyUI refused the workflow: {message}{f' ({details})' if details else ''}"
    place = Place(str(node_id), extra.get("class_type") or _class_type(graph, str(node_id)))
    if error.get("type") == "missing_node_type" or "does not exist" in message:
        return place, f"{place}: the ComfyUI on this machine has no such node ({message})"
    return place, f"{place}: {message}"


def _node_in(details: str, graph: Graph) -> str | None:
    named = _NODE_IN_DETAILS.search(details)
    return named.group(1) if named and named.group(1) in graph else None


def _class_type(graph: Graph, node_id: str) -> str | None:
    return graph.get(node_id, {}).get("class_type")


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
