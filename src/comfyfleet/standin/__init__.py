"""The stand-in: a program with ComfyUI's API that executes its model-free core nodes. It is not ComfyUI.

Read it in this order: `app` and `routes` (the API), `validation` (what a prompt may be), `state` (queue and history),
`runner` and `executor` (the one thread that works), `nodes` (what it can do).
"""
