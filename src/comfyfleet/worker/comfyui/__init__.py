"""This machine's ComfyUI: its HTTP API, its events, its process, and how a prompt is rendered by it."""
