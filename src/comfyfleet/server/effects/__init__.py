"""Effects: what the public can run."""
