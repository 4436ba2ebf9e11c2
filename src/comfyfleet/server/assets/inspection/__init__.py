"""What a file's bytes tell: read on arrival, never loaded, never unpacked."""

from comfyfleet.server.assets.inspection.inspecting import Inspection, inspect

__all__ = ["Inspection", "inspect"]
