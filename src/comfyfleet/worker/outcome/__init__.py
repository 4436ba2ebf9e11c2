"""What ComfyUI's answers mean: pure functions from its JSON to files and errors."""
