"""Runs ComfyUI workflows as products on a shared fleet of GPU machines."""

__version__ = "0.1.0"
