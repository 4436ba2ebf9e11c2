"""Writes the packaged list of ComfyUI's own node classes from its three sources.

    python -m tests.integration.templates.comfyui_nodes OBJECT_INFO.json COMFYUI_VERSION TEMPLATES_VERSION

OBJECT_INFO.json is what a ComfyUI without custom nodes answers to `GET /object_info`. The package
`comfyui-workflow-templates-json` must be installed.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from tests.integration.templates.templates import nodes_of, subgraph_ids, templates

LIST: Final = Path(__file__).parents[3] / "src" / "comfyfleet" / "core" / "analysis" / "comfyui_nodes.txt"

FOREIGN: Final = frozenset({"AILab_QwenVL", "ImageRemoveAlpha+"})
"""Classes of custom nodes in official templates that name no package (of ComfyUI-QwenVL and ComfyUI_essentials)."""

NEWER: Final = frozenset({"TextOverlay"})
"""Classes that ComfyUI 0.33.0 was seen to have of its own, and that neither source names."""

_HEADER: Final = """\
# ComfyUI's own node classes, sorted: what /object_info of ComfyUI {version} lists without custom nodes, and the classes
# in the official templates (comfyui-workflow-templates-json {templates}) that are marked `cnr_id: comfy-core` or, as
# templates may use only ComfyUI's own nodes, not marked at all; and TextOverlay of 0.33.0. Made by
# `python -m tests.integration.templates.comfyui_nodes OBJECT_INFO.json COMFYUI_VERSION TEMPLATES_VERSION`.
"""


def template_classes() -> set[str]:
    """Return the node classes that the official templates use as ComfyUI's own."""
    return {
        class_type
        for document in templates().values()
        for class_type, package in _classes(document)
        if package in {None, "comfy-core"} and class_type not in FOREIGN
    }


def write(object_info: Iterable[str], version: str, templates_version: str) -> None:
    """Write the list."""
    header = _HEADER.format(version=version, templates=templates_version)
    LIST.write_text(header + "".join(f"{name}\n" for name in sorted({*object_info, *template_classes(), *NEWER})))


def _classes(document: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    own = subgraph_ids(document)
    for node in nodes_of(document):
        properties = node.get("properties") or {}
        if node["type"] not in own:
            yield node["type"], properties.get("cnr_id") or properties.get("aux_id")


if __name__ == "__main__":
    write(json.loads(Path(sys.argv[1]).read_text()), *sys.argv[2:4])
