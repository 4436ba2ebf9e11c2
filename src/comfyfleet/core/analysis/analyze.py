"""Analyzes a workflow of either format."""

from collections.abc import Iterable

from comfyfleet.core.analysis.api_graph import read_api
from comfyfleet.core.analysis.disagreements import Disagreement, find_disagreements
from comfyfleet.core.analysis.loaders import FRONTEND_ONLY
from comfyfleet.core.analysis.mentions import mentions_in
from comfyfleet.core.analysis.models import model_needs
from comfyfleet.core.analysis.needs import Needs, NodeNeed, WorkflowFormat
from comfyfleet.core.analysis.own_classes import is_own
from comfyfleet.core.analysis.reading import Budget
from comfyfleet.core.analysis.seen import SeenNode
from comfyfleet.core.analysis.ui_document import GROUP_PREFIXES
from comfyfleet.core.analysis.ui_graph import read_ui


def needs_of(document: object) -> Needs:
    """Return what a workflow needs; `document` is parsed JSON in API format or in UI format.

    Raises:
        GraphInvalid: It is neither, contradicts itself, or is too large or too deeply nested to be a workflow.
    """
    workflow_format, nodes = _read(document)
    return Needs(models=model_needs(mentions_in(nodes)), nodes=_node_needs(nodes), format=workflow_format)


def disagreements_of(document: object) -> tuple[Disagreement, ...]:
    """Return where a workflow's declarations and its graph differ; raise `GraphInvalid` as `needs_of` does."""
    return find_disagreements(mentions_in(_read(document)[1]))


def _read(document: object) -> tuple[WorkflowFormat, list[SeenNode]]:
    if isinstance(document, dict) and isinstance(document.get("nodes"), list):
        return "ui", read_ui(document, Budget())
    return "api", read_api(document, Budget())


def _node_needs(nodes: Iterable[SeenNode]) -> tuple[NodeNeed, ...]:
    by_class: dict[tuple[str, str], list[SeenNode]] = {}
    for node in nodes:
        known = node.class_type in FRONTEND_ONLY or node.class_type.startswith(GROUP_PREFIXES)
        if not known and not is_own(node.class_type, node.package):
            by_class.setdefault((node.class_type, node.package or ""), []).append(node)
    return tuple(
        NodeNeed(
            class_type=class_type,
            package=package or None,
            version=next((node.version for node in found if node.version), None),
            node_ids=tuple(node.node_id for node in found),
            is_used=any(node.is_active for node in found),
        )
        for (class_type, package), found in sorted(by_class.items())
    )
