"""The one-machine program: Postgres, the control plane, ComfyUI and a worker, started and stopped together."""
