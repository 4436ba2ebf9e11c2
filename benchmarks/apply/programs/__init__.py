"""Programs that are measured as processes of their own; each imports as little as it can."""
