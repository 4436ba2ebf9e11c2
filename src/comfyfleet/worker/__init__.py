"""The agent on a GPU machine: leases jobs, drives ComfyUI, hands back what it made."""
