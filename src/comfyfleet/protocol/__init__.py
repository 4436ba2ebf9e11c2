"""The wire models that the control plane and its callers exchange."""
