"""The stand-in: a program with ComfyUI's API that executes its model-free core nodes. It is not ComfyUI."""
