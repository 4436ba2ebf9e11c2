"""What a workflow needs: its model files and custom nodes, read from API JSON or UI JSON, and where they are."""

from comfyfleet.core.analysis.analyze import disagreements_of, needs_of
from comfyfleet.core.analysis.disagreements import Disagreement, DisagreementKind
from comfyfleet.core.analysis.match import (
    Basis,
    Findings,
    KnownAsset,
    ModelFinding,
    PackageFinding,
    Place,
    Sought,
    match_needs,
    sought_by,
)
from comfyfleet.core.analysis.needs import ModelNeed, Needs, NodeNeed, WorkflowFormat

__all__ = [
    "Basis",
    "Disagreement",
    "DisagreementKind",
    "Findings",
    "KnownAsset",
    "ModelFinding",
    "ModelNeed",
    "Needs",
    "NodeNeed",
    "PackageFinding",
    "Place",
    "Sought",
    "WorkflowFormat",
    "disagreements_of",
    "match_needs",
    "needs_of",
    "sought_by",
]
