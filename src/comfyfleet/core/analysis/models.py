"""From the places that name files to the files that are needed."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from comfyfleet.core.analysis.mentions import Mention, Origin
from comfyfleet.core.analysis.needs import ModelNeed
from comfyfleet.core.assets import AssetKind, kind_of_folder


def model_needs(mentions: Sequence[Mention]) -> tuple[ModelNeed, ...]:
    """Return each file once, by folder and name."""
    grouped = group(mentions)
    return tuple(_need(folder, filename, grouped[folder, filename]) for folder, filename in sorted(grouped))


def group(mentions: Sequence[Mention]) -> Mapping[tuple[str, str], list[Mention]]:
    """Return the mentions of each file by folder and name; one of unknown folder joins the only file so named."""
    folders: defaultdict[str, set[str]] = defaultdict(set)
    for mention in mentions:
        if mention.folder:
            folders[mention.filename].add(mention.folder)
    grouped: defaultdict[tuple[str, str], list[Mention]] = defaultdict(list)
    for mention in mentions:
        named = folders[mention.filename]
        folder = next(iter(named)) if not mention.folder and len(named) == 1 else mention.folder
        grouped[folder, mention.filename].append(replace(mention, folder=folder))
    return grouped


def is_used(mentions: Iterable[Mention]) -> bool:
    """Tell whether a node that runs names the file."""
    return any(mention.is_active for mention in mentions if mention.origin is not Origin.DECLARED)


def _need(folder: str, filename: str, mentions: list[Mention]) -> ModelNeed:
    return ModelNeed(
        filename=filename,
        folder=folder,
        kind=kind_of_folder(folder) if folder else AssetKind.OTHER,
        url=next((mention.url for mention in mentions if mention.url), None),
        sha256=next((mention.sha256 for mention in mentions if mention.sha256), None),
        node_ids=tuple(dict.fromkeys(mention.node_id for mention in mentions)),
        node_classes=tuple(sorted({mention.class_type for mention in mentions})),
        is_declared=any(mention.origin is Origin.DECLARED for mention in mentions),
        is_used=is_used(mentions),
    )
