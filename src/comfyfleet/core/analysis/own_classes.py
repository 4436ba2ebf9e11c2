"""The node classes that come with ComfyUI."""

import importlib.resources
from functools import cache


@cache
def own_classes() -> frozenset[str]:
    """Return ComfyUI's own node classes, from the packaged list; its header says how that is made."""
    text = importlib.resources.files(__package__).joinpath("comfyui_nodes.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def is_own(class_type: str, package: str | None) -> bool:
    """Tell whether a node is ComfyUI's own: the workflow's word for its package counts more than the list."""
    return package == "comfy-core" if package else class_type in own_classes()
