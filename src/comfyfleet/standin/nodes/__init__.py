"""The catalogue: every node class that the stand-in knows."""

from typing import Final

from comfyfleet.standin.nodes import blur, image, models, overlay, text, upscale, video
from comfyfleet.standin.nodes.spec import Node

CATALOGUE: Final[dict[str, Node]] = {
    node.name: node for family in (image, blur, upscale, overlay, video, text, models) for node in family.NODES
}
"""By class name; a class that is not here is refused as ComfyUI refuses one that is not installed."""
