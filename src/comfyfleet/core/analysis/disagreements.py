"""Where what a workflow declares about its models and what its graph names differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from comfyfleet.core.analysis.mentions import Mention, Origin
from comfyfleet.core.analysis.models import group, is_used


class DisagreementKind(StrEnum):
    """How graph and declaration differ."""

    NOT_DECLARED = "not_declared"  # a node that runs names a file that no node declares
    NOT_USED = "not_used"  # a declared file that no node names
    SWITCHED_OFF = "switched_off"  # a declared file that only muted or bypassed nodes name
    OTHER_FOLDER = "other_folder"  # declared for a folder where the loader does not look
    OTHER_NAME = "other_name"  # declared without the subfolder that the node names, or with another one
    SEVERAL_URLS = "several_urls"  # declared with more than one URL
    SEVERAL_DIGESTS = "several_digests"  # declared with more than one digest


@dataclass(frozen=True)
class Disagreement:
    """One file about which graph and declaration differ; `detail` says it to a person."""

    kind: DisagreementKind
    filename: str
    folder: str
    node_ids: tuple[str, ...]
    detail: str


def find_disagreements(mentions: Sequence[Mention]) -> tuple[Disagreement, ...]:
    """Return the differences, sorted by file."""
    grouped = group(mentions)
    return tuple(
        Disagreement(kind, filename, folder, tuple(dict.fromkeys(m.node_id for m in grouped[folder, filename])), detail)
        for folder, filename in sorted(grouped)
        for kind, detail in _differences(folder, filename, grouped[folder, filename])
    )


def _differences(folder: str, filename: str, mentions: list[Mention]) -> list[tuple[DisagreementKind, str]]:
    declared = [mention for mention in mentions if mention.origin is Origin.DECLARED]
    if not declared:
        what = f"'{filename}' is named but not declared."
        return [(DisagreementKind.NOT_DECLARED, what)] if is_used(mentions) else []
    found = []
    if len(declared) == len(mentions):
        found.append((DisagreementKind.NOT_USED, f"'{filename}' is declared, but no node names it."))
    elif not is_used(mentions):
        found.append((DisagreementKind.SWITCHED_OFF, f"'{filename}' is named by muted or bypassed nodes only."))
    folders = sorted({mention.declared_folder or "" for mention in declared} - {folder})
    if folders:
        what = f"'{filename}' is declared for {', '.join(folders)}, but looked for in {folder}."
        found.append((DisagreementKind.OTHER_FOLDER, what))
    names = sorted({mention.declared_name or "" for mention in declared} - {filename})
    if names:
        found.append((DisagreementKind.OTHER_NAME, f"'{filename}' is declared as {', '.join(names)}."))
    for kind, values in (
        (DisagreementKind.SEVERAL_URLS, {mention.url for mention in declared if mention.url}),
        (DisagreementKind.SEVERAL_DIGESTS, {mention.sha256 for mention in declared if mention.sha256}),
    ):
        if len(values) > 1:
            found.append((kind, f"'{filename}' has {', '.join(sorted(values))}."))
    return found
