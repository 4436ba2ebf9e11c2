"""A real ComfyUI for the tests, as a separate program. It is GPL: never imported, copied or shipped by us."""
