"""Sphinx's configuration."""

project = "comfyfleet"
author = "The comfyfleet authors"
copyright = "2026, The comfyfleet authors"  # noqa: A001 - Sphinx's name
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "comfyfleet"
exclude_patterns = ["_build"]
