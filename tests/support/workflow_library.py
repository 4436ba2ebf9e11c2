"""Workflows for tests that import, change and try them."""

from copy import deepcopy
from typing import Any, Final

from tests.support.operator import OperatorAccess

Json = dict[str, Any]

GRAPH: Final[Json] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "any.png"}, "_meta": {"title": "The picture"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a {{STYLE}} fox", "clip": ["4", 0]}},
    "3": {"class_type": "ImageBlur", "inputs": {"image": ["1", 0], "blur_radius": 3, "sigma": 1.5}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "soft"}},
}
IMAGE: Final[Json] = {
    "key": "image",
    "type": "image",
    "is_primary_input": True,
    "node_id": "1",
    "input_name": "image",
}
RADIUS: Final[Json] = {"key": "radius", "type": "number", "default": 3, "node_id": "3", "input_name": "blur_radius"}


def soft(slug: str = "soft", **changes: Any) -> Json:
    """Return a workflow to import, which blurs an image."""
    output = {"output_node_id": "9", "output_extension": "png", "output_mime_type": "image/png"}
    parts = {"name": "Soft", "slug": slug, "graph": deepcopy(GRAPH), "properties": [IMAGE, RADIUS], **output}
    return {**parts, **changes}


def with_input(node_id: str, name: str, value: Any) -> Json:
    """Return the graph of `soft` with one input changed."""
    graph = deepcopy(GRAPH)
    graph[node_id]["inputs"][name] = value
    return graph


async def import_soft(operator: OperatorAccess, slug: str = "soft", **changes: Any) -> Json:
    """Import it; return what is shown of it."""
    data: Json = await operator.post("/workflows", soft(slug, **changes))
    return data
