"""Each place where a workflow names a model file, and for which folder."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from comfyfleet.core.analysis.folders import guess_folder, is_model_name, place
from comfyfleet.core.analysis.loaders import LOADERS, NO_FILE, TINY_VAES
from comfyfleet.core.analysis.own_classes import is_own
from comfyfleet.core.analysis.reading import Text
from comfyfleet.core.analysis.seen import SeenNode, file_path
from comfyfleet.core.paths import PathRefused, check_relative_path


class Origin(StrEnum):
    """How it is known that a node names a file."""

    DECLARED = "declared"
    LOADER = "loader"
    EXTENSION = "extension"
    EMBEDDING = "embedding"


@dataclass(frozen=True)
class Mention:
    """One node names one file. `declared_folder` is what a declaration said where the loader's own folder counts."""

    filename: str
    folder: str
    origin: Origin
    node_id: str
    class_type: str
    is_active: bool
    url: str | None = None
    sha256: str | None = None
    declared_folder: str | None = None
    declared_name: str | None = None


_PLACEHOLDER: Final = re.compile(r"\{\{\w+\}\}|__\w+__|<<\w+>>|%\w+%|\[\[\w+\]\]")
_EMBEDDING: Final = re.compile(r"(?:^|[\s(\[{,])embedding:([^\s()\[\]{}]+)")
_WEIGHT: Final = re.compile(r":-?[\d.]+$")


def mentions_in(nodes: Iterable[SeenNode]) -> list[Mention]:
    """Return what all nodes name, declarations after the uses of the same node."""
    return [mention for node in nodes for mention in _of_node(node)]


def _of_node(node: SeenNode) -> Iterator[Mention]:
    declared = {_base(entry.filename): place(entry.directory, entry.filename)[0] for entry in node.declared}
    uses: defaultdict[str, list[Mention]] = defaultdict(list)
    for text in node.texts:
        for use in _uses(node, text):
            base = _base(use.filename)
            folder = declared.get(base) if use.origin is Origin.EXTENSION else None  # which is a guess otherwise
            uses[base].append(replace(use, folder=folder) if folder else use)
    yield from (use for same in uses.values() for use in same)
    yield from _declarations(node, uses)


def _uses(node: SeenNode, text: Text) -> Iterator[Mention]:
    if "embedding:" in text.value:
        yield from _embeddings(node, text)
    folder = _loader_folder(node.class_type, text)
    if folder is not None:
        yield from _loaded(node, text, folder)
    elif _may_load(node) and is_model_name(text.value) and _is_path(text.value):
        guess = guess_folder(node.class_type, text.name, text.value)
        yield _mention(node, text, text.value, guess, Origin.EXTENSION)


def _loader_folder(class_type: str, text: Text) -> str | None:
    files = LOADERS.get(class_type, ())
    for file in files:
        if file.name == text.name:
            return file.folder
    return files[0].folder if len(files) == 1 and is_model_name(text.value) else None


def _loaded(node: SeenNode, text: Text, folder: str) -> Iterator[Mention]:
    value = text.value.strip()
    if value.lower() in NO_FILE or _PLACEHOLDER.fullmatch(value):
        return
    if folder == "vae" and value in TINY_VAES:
        for part in ("encoder", "decoder"):
            yield _mention(node, text, f"{value}_{part}", "vae_approx", Origin.LOADER)
        return
    yield _mention(node, text, text.value, folder, Origin.LOADER)


def _may_load(node: SeenNode) -> bool:
    """Tell whether a node that is in no table may load a file: those of others, and ComfyUI's that say so."""
    return not is_own(node.class_type, node.package) or "Load" in node.class_type


def _embeddings(node: SeenNode, text: Text) -> Iterator[Mention]:
    for match in _EMBEDDING.finditer(text.value):
        name = _WEIGHT.sub("", match[1]).strip(",")
        if name and _is_path(name) and not _PLACEHOLDER.fullmatch(name):
            yield _mention(node, text, name, "embeddings", Origin.EMBEDDING)


def _declarations(node: SeenNode, uses: Mapping[str, list[Mention]]) -> Iterator[Mention]:
    """Yield what a node declares; where it also names that file, the folder and name of the use count."""
    for entry in node.declared:
        folder, filename = place(entry.directory, entry.filename)
        same = uses.get(_base(filename), ())
        use = min(same, key=lambda use: (use.folder != folder, use.filename != filename), default=None)
        yield Mention(
            filename=use.filename if use else filename,
            folder=use.folder if use else folder,
            origin=Origin.DECLARED,
            node_id=node.node_id,
            class_type=node.class_type,
            is_active=node.is_active,
            url=entry.url,
            sha256=entry.sha256,
            declared_folder=folder,
            declared_name=filename,
        )


def _base(filename: str) -> str:
    return filename.rsplit("/", 1)[-1]


def _mention(node: SeenNode, text: Text, name: str, folder: str, origin: Origin) -> Mention:
    filename = file_path(name, f"node {node.node_id} ({node.class_type[:80]})")
    return Mention(filename, folder, origin, node.node_id, node.class_type, node.is_active and text.is_on)


def _is_path(name: str) -> bool:
    try:
        check_relative_path(name.replace("\\", "/"))
    except PathRefused:
        return False
    return True
