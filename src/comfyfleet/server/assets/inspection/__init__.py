"""What a file's bytes tell: read on arrival, never loaded, never unpacked."""

from comfyfleet.server.assets.inspection.inspecting import Inspection, inspect, kind_by_content

__all__ = ["Inspection", "inspect", "kind_by_content"]
